-- Gives back what a dead daemon held, if its lease still stands where it was seen; only a recorded start without an end is a
-- crash. When nothing is left its consumer and its lease go.
-- ARGV: the dead one, its lease as it was seen ('' if it had none, '*' if it is the caller), how many at most, max_crashes (0: no limit), daemon, keep, max,
-- dedupe -> jobs given back (-1: it lives), 1 if it may hold more, the ids of those buried
local gone, leases = ARGV[1], base .. 'leases'
if ARGV[2] ~= '*' and ARGV[2] ~= (redis.call('HGET', leases, gone) or '') then return { -1, 0, {} } end
probe()
insist()
local max_crashes = tonumber(ARGV[4])
local pending = redis.call('XPENDING', ready, group, '-', '+', ARGV[3], gone)
local given, buried = 0, {}
for _, p in ipairs(pending) do
  local entry = p[1]
  local list, map = read_entry(entry)
  if not list then
    redis.call('XACK', ready, group, entry)
    count('lost')
  else
    local id = map['id'] or entry
    local key = job_key(id)
    local known = redis.call('HMGET', key, 'entry', 'started', 'crashes', 'deliveries', 'attempts')
    local crashes, bury = tonumber(known[3] or '0'), false
    if known[1] == entry then
      if known[2] == gone and ARGV[2] == '*' then
        redis.call('HDEL', key, 'started') -- an orderly end is no crash
      elseif known[2] == gone then
        crashes = crashes + 1
        count('crashed')
        bury = max_crashes > 0 and crashes >= max_crashes
        redis.call('HSET', key, 'crashes', crashes)
        redis.call('HDEL', key, 'started')
      elseif not known[4] or known[4] == '0' then
        redis.call('HSET', key, 'deliveries', '1')
      end
    elseif not map['id'] then
      -- Nothing is known of a plain job at its first delivery: it may have been running.
      redis.call('HSET', key, 'entry', entry, 'own', '0', 'deliveries', '1')
    end
    if bury then
      remove(entry)
      write_letter(list, id, 'the daemon that ran it died, ' .. crashes .. ' times', 'crashed', known[5] or '0',
        known[4] or '0', ARGV[5], ARGV[6], ARGV[7])
      forget(id, 'dead', ARGV[8])
      buried[#buried + 1] = id
    else
      redis.call('XCLAIM', ready, group, 'released', 0, entry, 'JUSTID')
      given = given + 1
    end
  end
end
local more = redis.call('XPENDING', ready, group, '-', '+', 1, gone)[1] ~= nil
if not more then
  redis.call('HDEL', leases, gone)
  redis.call('XGROUP', 'DELCONSUMER', ready, group, gone)
end
return { given, more and 1 or 0, buried }
