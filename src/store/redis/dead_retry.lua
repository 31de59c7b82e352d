-- Makes the job of a dead letter ready again, with all budgets new. ARGV: the letter's entry
-- -> 1 | 0: there is no such letter | -1: a live job has its id
local found = redis.call('XRANGE', dead, ARGV[1], ARGV[1])
if not found[1] then return 0 end
local letters_own = { error = 1, outcome = 1, attempts = 1, deliveries = 1, failed_at = 1, daemon = 1, delay = 1, run_at = 1,
  expires_at = 1 }
local list, fields, map = found[1][2], {}, {}
for i = 1, #list, 2 do
  map[list[i]] = list[i + 1]
  if not letters_own[list[i]] then
    fields[#fields + 1] = list[i]
    fields[#fields + 1] = list[i + 1]
  end
end
local id = map['id']
local key = job_key(id)
local present = redis.call('HGET', key, 'entry')
if present and (present == '' and redis.call('ZSCORE', delayed, id)
  or present ~= '' and redis.call('XRANGE', ready, present, present)[1]) then
  return -1
end
redis.call('XDEL', dead, ARGV[1])
local entry = redis.call('XADD', ready, '*', unpack(fields))
redis.call('DEL', key)
redis.call('HSET', key, 'entry', entry, 'digest', digest(map), 'deliveries', map['deliveries'] or '0',
  'own', string.match(id, '^%d+%-%d+$') and '0' or '1')
return 1
