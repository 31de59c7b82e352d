-- What the scripts share; it stands before each of them. KEYS[1] is always the queue's stream, and all
-- other keys of the queue are in the same slot. Where memory may be short, what frees some comes first.
local ready = KEYS[1]
local base = string.sub(ready, 1, -6)
local delayed, dead, counters = base .. 'delayed', base .. 'dead', base .. 'counters'
local group = 'penstock'

-- Redis refuses a script its first write when memory is short, unless that cannot take any, and refuses none after it: what moves
-- jobs towards their end must go on, and frees memory.
local function insist()
  redis.call('HDEL', counters, '')
end

-- Redis takes nothing back of a script that fails half-way: a key of another type shows before the first write.
local function probe()
  redis.call('XLEN', dead)
  redis.call('ZCARD', delayed)
  redis.call('HLEN', counters)
end

local function job_key(id)
  return base .. 'job:' .. id
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The fields of an entry as a flat list and as a table; nil if its body is gone.
local function read_entry(entry)
  local found = redis.call('XRANGE', ready, entry, entry)
  if not found[1] then return nil end
  local list, map = found[1][2], {}
  for i = 1, #list, 2 do map[list[i]] = list[i + 1] end
  return list, map
end

local function is_held_by(entry, consumer)
  return redis.call('XPENDING', ready, group, entry, entry, 1, consumer)[1] ~= nil
end

local function digest(map)
  return redis.sha1hex((map['type'] or '') .. '\0' .. (map['payload'] or ''))
end

-- An entry leaves the stream. 1: it was there.
local function remove(entry)
  local acknowledged = redis.call('XACK', ready, group, entry)
  return math.max(acknowledged, redis.call('XDEL', ready, entry))
end

local function count(counter, n)
  redis.call('HINCRBY', counters, counter, n or 1)
end

-- A job has ended: what is known of it goes; an id that its producer gave is remembered for `dedupe` ms.
local function forget(id, how, dedupe)
  local key = job_key(id)
  local known = redis.call('HMGET', key, 'own', 'digest')
  redis.call('DEL', key)
  if known[1] == '1' and tonumber(dedupe) > 0 then
    redis.call('HSET', key, 'ended', how, 'digest', known[2] or '')
    redis.call('PEXPIRE', key, dedupe)
  end
end

-- Writes the dead letter of an entry that was removed. `keep`: for so many ms, '-1' for ever, '0' not at all;
-- `max` letters, '0' without a limit. Of what has more fields than a job can have the first ones are kept.
local function write_letter(list, id, error, outcome, attempts, deliveries, daemon, keep, max)
  count('dead')
  if keep == '0' then return end
  local now = now_ms()
  local letter, has_id = {}, false
  for i = 1, math.min(#list, 2000), 2 do
    has_id = has_id or list[i] == 'id'
    letter[#letter + 1] = list[i]
    letter[#letter + 1] = list[i + 1]
  end
  local more = { 'error', error, 'outcome', outcome, 'attempts', attempts, 'deliveries', deliveries,
    'failed_at', string.format('%.0f', now), 'daemon', daemon }
  if not has_id then
    letter[#letter + 1] = 'id'
    letter[#letter + 1] = id
  end
  for i = 1, #more do letter[#letter + 1] = more[i] end
  redis.call('XADD', dead, '*', unpack(letter))
  local dropped = 0
  if keep ~= '-1' then
    dropped = redis.call('XTRIM', dead, 'MINID', string.format('%.0f', now - keep))
  end
  if max ~= '0' then dropped = dropped + redis.call('XTRIM', dead, 'MAXLEN', max) end
  if dropped > 0 then count('letters_dropped', dropped) end
end

-- Puts a job among the delayed; its fields move from the stream to its hash, which remembers the latest entries it had.
local function put_aside(entry, list, id, due, strip)
  local key = job_key(id)
  remove(entry)
  local was = (redis.call('HGET', key, 'was') or '') .. ' ' .. entry
  local fields = { 'entry', '', 'was', string.sub(was, -200) }
  if not strip then
    fields[5], fields[6] = 'whole', '1'
  end
  for i = 1, #list, 2 do
    if not (strip and (list[i] == 'delay' or list[i] == 'run_at')) then
      fields[#fields + 1] = 'f.' .. list[i]
      fields[#fields + 1] = list[i + 1]
    end
  end
  redis.call('HSET', key, unpack(fields))
  redis.call('ZADD', delayed, due, id)
end
