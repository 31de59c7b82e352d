-- A job is about to be run for the second time or later: a start without an end is a crash.
-- ARGV: consumer, entry, id -> deliveries, or -1: the entry is not the consumer's
local consumer, entry, key = ARGV[1], ARGV[2], job_key(ARGV[3])
if not is_held_by(entry, consumer) then return -1 end
insist()
redis.call('HSETNX', key, 'own', '0')
redis.call('HSET', key, 'entry', entry, 'started', consumer)
return redis.call('HINCRBY', key, 'deliveries', 1)
