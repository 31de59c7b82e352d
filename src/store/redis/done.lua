-- Jobs have ended without a dead letter. Of a stale owner only `done` is accepted, and ends the job wherever it is.
-- ARGV: consumer, 'done' | 'expired' | 'cancelled', dedupe, then entry, id … -> a list: 1 ended, 0 stale
local consumer, how, dedupe = ARGV[1], ARGV[2], ARGV[3]
probe()
local answer, ended = {}, 0
for i = 4, #ARGV, 2 do
  local entry, id = ARGV[i], ARGV[i + 1]
  local known = redis.call('HMGET', job_key(id), 'entry', 'was')
  local present, was = known[1], known[2]
  local gone = 0
  if how == 'done' or is_held_by(entry, consumer) then
    gone = remove(entry)
    -- The id may be that of a later job by now: it is ours only if it once was this entry.
    if gone == 0 and was and string.find(was .. ' ', ' ' .. entry .. ' ', 1, true) then
      gone = present == '' and redis.call('ZREM', delayed, id) or remove(present)
      if gone == 1 then forget(id, how, dedupe) end
    elseif present == entry then
      forget(id, how, dedupe)
    end
  end
  ended = ended + gone
  answer[#answer + 1] = gone
end
if ended > 0 then count(how, ended) end
return answer
