-- An entry of the stream that is more than a payload, met for the first time: takes effect of its `id` and of its start.
-- ARGV: entry, id ('' if the entry's own is it), due (epoch ms, 0: now; for 'whole' ms from now), 'strip' or 'whole', daemon, keep, max
-- -> {'run', attempts, crashes, deliveries} | {'aside', due} | {'exists'} | {'conflict'} | {'gone'}
local entry, id, due = ARGV[1], ARGV[2], tonumber(ARGV[3])
local own, strip = id ~= '', ARGV[4] == 'strip'
insist()
if not own then id = entry end
if not strip then due = now_ms() + due end
probe()
local list, map = read_entry(entry)
if not list then
  redis.call('XACK', ready, group, entry)
  return { 'gone' }
end
local key = job_key(id)
local known = redis.call('HMGET', key, 'entry', 'digest', 'ended', 'attempts', 'crashes', 'deliveries')
-- What is known of a job whose entry has vanished is void.
local live = known[1] and (known[1] == '' and redis.call('ZSCORE', delayed, id)
  or known[1] ~= '' and redis.call('XRANGE', ready, known[1], known[1])[1])
if known[1] == entry then
  if due <= now_ms() then
    return { 'run', known[4] or '0', known[5] or '0', known[6] or '0' }
  end
elseif own and (live or known[3]) then
  remove(entry)
  if known[2] == digest(map) then
    count('duplicates')
    return { 'exists' }
  end
  count('conflicts')
  write_letter(list, id, 'conflict: the id is taken by a job with another payload or type', 'rejected', '0', '0',
    ARGV[5], ARGV[6], ARGV[7])
  return { 'conflict' }
elseif known[1] or known[3] then
  redis.call('DEL', key)
end
local is_due = due <= now_ms()
if own then redis.call('HSET', key, 'own', '1', 'digest', digest(map), 'entry', entry) end
if is_due then return { 'run', '0', '0', '0' } end
if not own then redis.call('HSET', key, 'own', '0') end
put_aside(entry, list, id, due, strip)
return { 'aside', string.format('%.0f', due) }
