#!/bin/bash
# What a killed daemon held goes on elsewhere within 1.5 leases, and at once if it is started again.
. "$(dirname "$0")/lib.sh"
. "$here/redis.sh"
lease=4

make_config() { # NAME LANE
        config_of "$1" <<YAML
handlers:
  post: {http: {url: "$recorder/$2"}}
queues:
  q: {handler: post, concurrency: 60, maxsize: 20, retry: {max_attempts: 1}}
YAML
}

given "a daemon that runs 60 jobs, and holds 20 more"
redis_start
recorder_start
make_config one d1/200/hold
make_config two d2
daemon_start one
daemon_ready one
produce q --count 300 --longest 50
eventually 10 "60 run" runs_at_least d1 60
daemon_start two
daemon_ready two
eventually 20 "another does what the first has not taken" started_at_least d2 150
then_true "both have a lease" leases_are q 2

when "the first is killed"
daemon_kill one
eventually $((lease * 3 / 2 + 1)) "the other has done all of it within 1.5 leases" queue_is_empty q
then_is "nobody is dead, though one attempt is all they have" 0 "$(dead_count q)"
eventually 5 "the lease of the dead is gone" leases_are q 1
check_queue q --daemons 1
then_says "60 began twice, none ended twice" '^duplicated 0' verdict
then_says "that is told" '.' two.log

given "a daemon alone, that runs 60 jobs"
daemon_stop two
release d1
make_config three d3/200/hold
daemon_start three
daemon_ready three
produce q --first 300 --count 60 --longest 50
eventually 10 "60 run" runs_at_least d3 60
when "it is killed, and started again under its name, with a handler that does not wait"
daemon_kill three
sed -i 's,/d3/200/hold,/d4,; s/lease: 4s/lease: 60s/' three.yaml
daemon_start three
eventually 10 "it takes its own jobs over at once, though the lease is a minute" queue_is_empty q
check_queue q --daemons 1

given "two daemons under one name"
cp three.yaml twin.yaml
sed -i 's/three\.sock/twin.sock/' twin.yaml
daemon_start twin
daemon_ready twin
then_true "both live" kill -0 "${pids[three]}"
produce q --first 360 --count 200 --longest 20
eventually 20 "the work is done" queue_is_empty q
then_true "they are two: each has its lease" leases_are q 2
daemon_stop twin
then_is "exit status" 0 "$status"
daemon_stop three
then_is "exit status" 0 "$status"
check_queue q --daemons 0
then_says "all in all" '^acknowledged 560, perhaps pushed 0, done 560, dead 0' verdict

scenario_ends
