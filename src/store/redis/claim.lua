-- Takes jobs that were given back: they wait in the pending list of the consumer `released`.
-- ARGV: consumer, how many at most -> {entry, fields, attempts, crashes, deliveries, or nothing if nothing is known}…
local pending = redis.call('XPENDING', ready, group, '-', '+', ARGV[2], 'released')
if #pending == 0 then return {} end
local ids = {}
for i = 1, #pending do ids[i] = pending[i][1] end
local entries = redis.call('XCLAIM', ready, group, ARGV[1], 0, unpack(ids))
-- An empty consumer is none.
if not redis.call('XPENDING', ready, group, '-', '+', 1, 'released')[1] then
  redis.call('XGROUP', 'DELCONSUMER', ready, group, 'released')
end
local answer = {}
for i = 1, #entries do
  local entry, list = entries[i][1], entries[i][2]
  local id = entry
  for j = 1, #list, 2 do
    if list[j] == 'id' then id = list[j + 1] end
  end
  local known = redis.call('HMGET', job_key(id), 'entry', 'attempts', 'crashes', 'deliveries')
  if known[1] == entry then
    answer[i] = { entry, list, known[2] or '0', known[3] or '0', known[4] or '0' }
  else
    answer[i] = { entry, list }
  end
end
return answer
