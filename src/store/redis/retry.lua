-- A job failed and waits for its next attempt.
-- ARGV: consumer, entry, id, delay in ms, attempts, crashes, deliveries -> the due time, or '' if it is stale
local consumer, entry, id = ARGV[1], ARGV[2], ARGV[3]
if not is_held_by(entry, consumer) then return '' end
probe()
local list = read_entry(entry)
if not list then
  remove(entry)
  count('lost')
  return ''
end
local due = string.format('%.0f', now_ms() + ARGV[4])
put_aside(entry, list, id, due, true)
local key = job_key(id)
redis.call('HSETNX', key, 'own', '0')
redis.call('HSET', key, 'attempts', ARGV[5], 'crashes', ARGV[6], 'deliveries', ARGV[7])
redis.call('HDEL', key, 'started')
return due
