-- Makes due jobs ready. ARGV: how many at most -> how many, ms until the next one is due (-1: none waits)
local now = now_ms()
local ids = redis.call('ZRANGEBYSCORE', delayed, '-inf', now, 'LIMIT', 0, ARGV[1])
for _, id in ipairs(ids) do
  local key = job_key(id)
  local known = redis.call('HGETALL', key)
  local fields, names, has_id, whole = {}, {}, false, false
  for i = 1, #known, 2 do
    if string.sub(known[i], 1, 2) == 'f.' then
      local name = string.sub(known[i], 3)
      has_id = has_id or name == 'id'
      names[#names + 1] = known[i]
      fields[#fields + 1] = name
      fields[#fields + 1] = known[i + 1]
    end
    whole = whole or known[i] == 'whole'
  end
  redis.call('ZREM', delayed, id)
  if #fields == 0 then
    redis.call('DEL', key)
    count('lost')
  elseif whole then
    -- Of a version that is not ours: as it came, and nothing is known of it.
    redis.call('XADD', ready, '*', unpack(fields))
    redis.call('DEL', key)
  else
    if not has_id then
      fields[#fields + 1] = 'id'
      fields[#fields + 1] = id
    end
    local entry = redis.call('XADD', ready, '*', unpack(fields))
    redis.call('HSET', key, 'entry', entry)
    redis.call('HDEL', key, unpack(names))
  end
end
local next = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
return { #ids, next[2] and math.max(0, next[2] - now) or -1 }
