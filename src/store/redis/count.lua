-- Looks at all of a queue at one moment. What Redis itself tells of the lag differs by version after deletions, so few entries
-- are counted one by one, and of many the least that is said is believed. ARGV: how many are few
-- -> ready, delayed, running, dead letters, {counter, value, …}; what has ended and is not yet trimmed is not counted
local function pending_of(consumer)
  for _, c in ipairs(redis.call('XINFO', 'CONSUMERS', ready, group)) do
    local info = {}
    for i = 1, #c, 2 do info[c[i]] = c[i + 1] end
    if info['name'] == consumer then return info['pending'] end
  end
  return 0
end
-- Redis tells no lag after an XDEL of the last delivered entry, but what it is made of.
local function added()
  local info = redis.call('XINFO', 'STREAM', ready)
  for i = 1, #info, 2 do
    if info[i] == 'entries-added' then return info[i + 1] end
  end
end
local length = redis.call('XLEN', ready)
local undelivered, pending = length, 0 -- no daemon has ever fetched from a stream without the group
if redis.call('EXISTS', ready) == 1 then
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', ready)) do
    local info = {}
    for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
    if info['name'] == group then
      undelivered, pending = 0, info['pending']
      local after = '(' .. info['last-delivered-id']
      if length - pending <= tonumber(ARGV[1]) then
        undelivered = #redis.call('XRANGE', ready, after, '+')
      elseif redis.call('XRANGE', ready, after, '+', 'COUNT', 1)[1] then
        local read = info['entries-read']
        local lag = info['lag'] or read and added() - read or length - pending
        undelivered = math.max(1, math.min(lag, length - pending))
      end
    end
  end
end
local released = pending > 0 and pending_of('released') or 0
return { undelivered + released, redis.call('ZCARD', delayed), pending - released,
  redis.call('XLEN', dead), redis.call('HGETALL', counters) }
