-- Jobs are given back: they are ready again, before newer ones.
-- ARGV: consumer, then entry, id, deliveries, crashes … (deliveries 0: no handler has seen it, and nothing is noted)
-- -> a list: 1 given back, 0 stale
local consumer, answer = ARGV[1], {}
for i = 2, #ARGV, 4 do
  local entry, id, deliveries, crashes = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3]
  local held = is_held_by(entry, consumer)
  if held then
    redis.call('XCLAIM', ready, group, 'released', 0, entry, 'JUSTID')
    if deliveries ~= '0' then
      local key = job_key(id)
      redis.call('HSETNX', key, 'own', '0')
      redis.call('HSET', key, 'entry', entry, 'deliveries', deliveries, 'crashes', crashes)
      redis.call('HDEL', key, 'started')
    end
  end
  answer[#answer + 1] = held and 1 or 0
end
return answer
