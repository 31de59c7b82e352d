-- Pushes a job with an answer, as `penstock push` does:
--     EVALSHA sha 1 PREFIX:{QUEUE}:ready field value …
--     -> {'stored' | 'exists' | 'conflict' | 'full', id}
-- Fields as in XADD. `capacity` and `dedupe` are what the daemons of this queue are configured to.
local ready = KEYS[1]
local base = string.sub(ready, 1, -6)
local map = {}
for i = 1, #ARGV, 2 do
  if not ARGV[i + 1] then return redis.error_reply('ERR penstock: a field without a value') end
  map[ARGV[i]] = ARGV[i + 1]
end
local id, key, digest = map['id'], nil, nil
if id then
  key = base .. 'job:' .. id
  digest = redis.sha1hex((map['type'] or '') .. '\0' .. (map['payload'] or ''))
  local known = redis.call('HMGET', key, 'entry', 'digest', 'ended')
  local live = known[1] and (known[1] == '' and redis.call('ZSCORE', base .. 'delayed', id)
    or known[1] ~= '' and redis.call('XRANGE', ready, known[1], known[1])[1])
  if live or known[3] then
    return { known[2] == digest and 'exists' or 'conflict', id }
  end
end
local capacity = tonumber(redis.call('HGET', base .. 'limits', 'capacity') or '0')
if capacity > 0 then
  local backlog = redis.call('XLEN', ready) + redis.call('ZCARD', base .. 'delayed')
  if backlog >= capacity then
    -- Running jobs are in the stream too, and are no backlog.
    for _, g in ipairs(redis.call('XINFO', 'GROUPS', ready)) do
      local info = {}
      for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
      if info['name'] == 'penstock' then backlog = backlog - info['pending'] end
    end
    if backlog >= capacity then return { 'full', id or '' } end
  end
end
local entry = redis.call('XADD', ready, '*', unpack(ARGV))
if id then
  redis.call('DEL', key)
  redis.call('HSET', key, 'entry', entry, 'own', '1', 'digest', digest)
end
return { 'stored', id or entry }
