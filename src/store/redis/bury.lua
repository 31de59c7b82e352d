-- A job is dead.
-- ARGV: consumer, entry, id, error, outcome, attempts, deliveries, daemon, keep, max, dedupe -> 1, or 0 if it is stale
local consumer, entry, id = ARGV[1], ARGV[2], ARGV[3]
if not is_held_by(entry, consumer) then return 0 end
probe()
local list = read_entry(entry)
remove(entry)
if list then
  write_letter(list, id, ARGV[4], ARGV[5], ARGV[6], ARGV[7], ARGV[8], ARGV[9], ARGV[10])
end
-- A malformed entry may name the id of another job.
local present = redis.call('HGET', job_key(id), 'entry')
if present == entry then forget(id, 'dead', ARGV[11]) end
return 1
