-- Pushes a job with an answer, as `penstock push` does:
--     EVALSHA sha 1 PREFIX:{QUEUE}:ready field value …
--     -> {'stored' | 'exists' | 'conflict' | 'full', id}
-- Fields as in XADD. `capacity` and `dedupe` are what the daemons of this queue are configured to.
local ready = KEYS[1]
local base = string.sub(ready, 1, -6)
local function table_of(list)
  local map = {}
  for i = 1, #list, 2 do map[list[i]] = list[i + 1] end
  return map
end
if #ARGV % 2 == 1 then return redis.error_reply('ERR penstock: a field without a value') end
local map = table_of(ARGV)
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
-- What is ready or delayed: the stream also has what runs, and what has ended behind a job that still runs.
local function backlog()
  local n, undelivered = redis.call('ZCARD', base .. 'delayed'), redis.call('XLEN', ready)
  if undelivered == 0 then return n end
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', ready)) do
    local info = table_of(g)
    if info['name'] == 'penstock' then
      local read = info['entries-read']
      undelivered = info['lag'] or read and table_of(redis.call('XINFO', 'STREAM', ready))['entries-added'] - read
        or undelivered - info['pending']
      for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', ready, 'penstock')) do
        local consumer = table_of(c)
        if consumer['name'] == 'released' then n = n + consumer['pending'] end
      end
    end
  end
  return n + undelivered
end
local capacity = tonumber(redis.call('HGET', base .. 'limits', 'capacity') or '0')
if capacity > 0 and redis.call('XLEN', ready) + redis.call('ZCARD', base .. 'delayed') >= capacity
  and backlog() >= capacity then
  return { 'full', id or '' }
end
local entry = redis.call('XADD', ready, '*', unpack(ARGV))
if id then
  redis.call('DEL', key)
  redis.call('HSET', key, 'entry', entry, 'own', '1', 'digest', digest)
end
return { 'stored', id or entry }
