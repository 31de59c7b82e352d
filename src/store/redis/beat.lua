-- Moves the lease of a consumer, and tells who else there is. ARGV: consumer
-- -> our own count, ms until the next delayed job is due (-1: none), {lease, count, …}, {consumer, pending, …}
local leases = base .. 'leases'
insist()
local mine = redis.call('HINCRBY', leases, ARGV[1], 1)
local next = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
local consumers = {}
for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', ready, group)) do
  local info = {}
  for i = 1, #c, 2 do info[c[i]] = c[i + 1] end
  consumers[#consumers + 1] = info['name']
  consumers[#consumers + 1] = info['pending']
end
return { mine, next[2] and math.max(0, next[2] - now_ms()) or -1, redis.call('HGETALL', leases), consumers }
