-- Removes what has ended from the head of the stream, up to the oldest pending entry, or if none is pending up to and with the
-- last one that was delivered; never more. And counts what was done.
-- ARGV: how many since the last time -> the oldest entry that stays, or '' if all that was delivered is gone
local stays = ''
local first = redis.call('XPENDING', ready, group, '-', '+', 1)[1]
if first then
  stays = first[1]
  redis.call('XTRIM', ready, 'MINID', stays)
else
  for _, g in ipairs(redis.call('XINFO', 'GROUPS', ready)) do
    local info = {}
    for i = 1, #g, 2 do info[g[i]] = g[i + 1] end
    if info['name'] == group then
      local last = info['last-delivered-id']
      local dash = string.find(last, '-', 1, true)
      local sequence = string.format('%.0f', tonumber(string.sub(last, dash + 1)) + 1)
      redis.call('XTRIM', ready, 'MINID', string.sub(last, 1, dash) .. sequence)
    end
  end
end
if ARGV[1] ~= '0' then count('done', ARGV[1]) end
return stays
