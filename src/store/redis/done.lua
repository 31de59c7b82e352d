-- Jobs have ended without a dead letter. Of a stale owner only `done` is accepted, and ends the job wherever it is.
-- ARGV: consumer, 'done' | 'expired' | 'cancelled', dedupe, then entry, id … -> a list: 1 ended, 0 stale
local consumer, how, dedupe = ARGV[1], ARGV[2], ARGV[3]
local answer, ended = {}, 0
for i = 4, #ARGV, 2 do
  local entry, id = ARGV[i], ARGV[i + 1]
  local present = redis.call('HGET', job_key(id), 'entry')
  local acknowledged = 0
  if how == 'done' or is_held_by(entry, consumer) then
    acknowledged = remove(entry)
    if acknowledged == 0 and present and present ~= entry then
      if present == '' then
        acknowledged = redis.call('ZREM', delayed, id)
      else
        acknowledged = remove(present)
      end
    end
    if acknowledged == 1 or present == entry then forget(id, how, dedupe) end
  end
  ended = ended + acknowledged
  answer[#answer + 1] = acknowledged
end
if ended > 0 then count(how, ended) end
return answer
