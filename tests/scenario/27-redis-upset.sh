#!/bin/bash
# What others may do to Redis while a daemon runs: it goes on by itself.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"

given "a daemon with three queues; the key of one is no stream"
redis_start
recorder_start
redis SET 'penstock:{bad}:ready' 'no stream' >/dev/null
config_of one <<YAML
handlers:
  post: {http: {url: "$recorder/d1"}}
  hold: {http: {url: "$recorder/held/200/hold"}}
  break: {noop: {fail: 1}}
queues:
  mortal: {handler: break, retry: {max_attempts: 1}}
  bad: {handler: post}
  good: {handler: post}
  slow: {handler: hold}
YAML
daemon_start one
eventually 20 "that queue stops, and says so by the key" file_matches one.log 'penstock:\{bad\}:ready|queue=bad.*(WRONGTYPE|wrong)|WRONGTYPE'
push good payload '1 0' >/dev/null
eventually 20 "the others are served" queue_is_empty good
daemon_ready one
then_at_most "lines about it" 20 "$(grep -c bad one.log)"
then_is "the key is as it was" 'no stream' "$(redis GET 'penstock:{bad}:ready')"
when "the key becomes a list while the queue is served"
redis MULTI <<REDIS >/dev/null
MULTI
DEL penstock:{good}:ready
RPUSH penstock:{good}:ready x
EXEC
REDIS
push slow payload '2 0' >/dev/null
eventually 10 "the third queue goes on" runs_at_least held 1
then_true "the daemon lives" kill -0 "${pids[one]}"
when "it is a stream again"
redis DEL 'penstock:{good}:ready' >/dev/null
push good payload '3 0' >/dev/null
eventually 30 "the queue is served again" file_matches runs '^end d1 3 '

when "the key for a queue's dead letters is no stream, and a job dies"
redis SET 'penstock:{mortal}:dead' 'no stream' >/dev/null
push mortal payload '4 0' >/dev/null
eventually 10 "it is said" file_matches one.log 'queue=mortal.*WRONGTYPE'
then_is "the job is still there" 1 "$(pending_count mortal)"
when "the key is free again"
redis DEL 'penstock:{mortal}:dead' >/dev/null
eventually 20 "its letter is written" count_is dead_count mortal 1
eventually 5 "and its entry gone" queue_is_empty mortal

# upset NUMBER WHAT COMMAND…: what comes in the same moment is run, within 30 s.
upset() {
        local number=$1 what=$2

        shift 2
        when "$what"
        printf '%s\n' MULTI "$*" "XADD penstock:{good}:ready * payload '$number 0'" EXEC | redis >reply
        eventually 30 "the job that came with it is run" file_matches runs "^end d1 $number "
        then_true "by the same process" kill -0 "${pids[one]}"
}
upset 10 "FLUSHALL" FLUSHALL
then_says "that is said loudly" 'penstock:\{good\}:ready|queue=good|store\.(warn|down)' one.log
release held
upset 11 "the group is destroyed" 'XGROUP DESTROY penstock:{good}:ready penstock'
upset 12 "the stream is deleted" 'DEL penstock:{good}:ready'
upset 13 "the scripts are forgotten" 'SCRIPT FLUSH'
upset 14 "all connections are closed" 'CLIENT KILL TYPE normal SKIPME yes'
upset 15 "all keys but the stream are gone" 'DEL penstock:{good}:leases penstock:{good}:counters penstock:queues penstock:daemons'
when "the server is busy for two seconds"
redis DEBUG SLEEP 2 >/dev/null &
push good payload '16 0' >/dev/null
eventually 30 "the job is run" file_matches runs '^end d1 16 '
when "writes are refused for a while: no memory"
redis CONFIG SET maxmemory 1mb maxmemory-policy noeviction >/dev/null
push good payload '17 0' >/dev/null 2>&1
redis CONFIG SET maxmemory 0 >/dev/null
push good payload '18 0' >/dev/null
eventually 30 "the job is run" file_matches runs '^end d1 18 '
when "a password is asked for, and then no more"
redis CONFIG SET requirepass secret >/dev/null
redis -a secret --no-auth-warning CLIENT KILL TYPE normal SKIPME yes >/dev/null
eventually 30 "what is wrong is said" file_matches one.log 'NOAUTH|password'
redis -a secret --no-auth-warning CONFIG SET requirepass '' >/dev/null
push good payload '19 0' >/dev/null
eventually 30 "the job is run" file_matches runs '^end d1 19 '
eventually 30 "all are done" queue_is_empty good
then_is "each ran once" "" "$(awk '$1 == "start" { print $3 }' runs | sort -n | uniq -d | paste -sd ' ')"
then_at_most "lines of the log, after all of this" 1000 "$(wc -l <one.log)"
daemon_stop one
then_is "exit status" 0 "$status"

given "a Redis that may throw keys away"
redis CONFIG SET maxmemory 1gb maxmemory-policy allkeys-lru >/dev/null
daemon_start one
eventually 20 "the daemon names that at its start" file_matches one.log 'allkeys-lru'
daemon_stop one

given "a Redis that is not there yet"
redis_kill
: >one.log
daemon_start one
eventually 20 "the daemon says that it waits" file_matches one.log 'store\.down|redis.sock'
then_silent "and is not ready" 'daemon\.ready' one.log
redis_again
daemon_ready one
push good payload '20 0' >/dev/null
eventually 30 "it works" file_matches runs '^end d1 20 '
daemon_stop one
then_is "exit status" 0 "$status"

scenario_ends
