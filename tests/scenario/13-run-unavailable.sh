#!/bin/bash
# A target that is away: told once, waited for, and told once when it is back. No job is lost by it.
. "$(dirname "$0")/lib.sh"

times() { # PATTERN: how many lines of err are like it
        grep -cE -- "$1" err
}

given "20 jobs for a port where nobody listens"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
seq 1 20 >lines
start_penstock -j 5 --retries 0 --lines lines --url "http://127.0.0.1:$port/ok" --results results.jsonl
eventually 20 "it says that the target is away" file_matches err 'waiting, and trying again'
# The second and third try fail as well: after 1 s and 2 s more.
tried_again() {
        local now

        now=$(awk '$1 == "TcpExt:" || $1 == "Tcp:" { if (seen[$1]++) { split($0, v); print v[at[$1]] } else for (i = 2; i <= NF; i++) if ($i == "AttemptFails") at[$1] = i }' /proc/net/snmp | head -n 1)
        [ "$now" -ge $((before + 3)) ]
}
before=$(awk '$1 == "Tcp:" { if (n++) print $at; else for (i = 2; i <= NF; i++) if ($i == "AttemptFails") at = i }' /proc/net/snmp)
eventually 30 "it is tried again, and again" tried_again
then_is "it was said once" 1 "$(times 'trying again')"
then_is "nothing has ended" 0 "$(wc -c <results.jsonl)"

when "a server starts there"
cat >server <<'PY'
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"back")

ThreadingHTTPServer.daemon_threads = True
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
PY
python3 server "$port" 2>server-errors &
started+=($!)
end_penstock 60
then_is "it goes on by itself: exit status" 0 "$status"
then_is "that it works again was said once" 1 "$(times 'works again')"
then_is "that it is away was not said again" 1 "$(times 'trying again')"
then_is "every job is done, and being away cost no attempt" "20 {'done'} {1}" \
        "$(results 'str(len(r)) + " " + str({x["outcome"] for x in r}) + " " + str({x["attempts"] for x in r})')"
then_says "the summary counts no failure" '20 done, 0 failed'

scenario_ends
