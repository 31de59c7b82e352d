#!/usr/bin/env python3
"""A web server on a free port of the loopback, for scenarios.

Prints its port as the first line. /ok/… answers 200, /status/N that, /slow/SECONDS sleeps first,
/flaky/KEY answers 503 twice and then 200, /echo sends back what was posted, /redirect points to /ok.
/stats tells how many requests there were and the most at once, /last the headers of the last one.
"""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

lock = threading.Lock()
stats = {"requests": 0, "now": 0, "most": 0}
tries = {}
last = {}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *args):
        pass

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def work(self, body):
        _, first, *rest = self.path.split("/")
        if first == "ok":
            self.answer(200, b"ok " + self.path.encode())
        elif first == "status":
            self.answer(int(rest[0]), b"as you wish")
        elif first == "slow":
            time.sleep(float(rest[0]))
            self.answer(200, b"at last")
        elif first == "flaky":
            with lock:
                tries[self.path] = tries.get(self.path, 0) + 1
                n = tries[self.path]
            self.answer(503 if n < 3 else 200, b"attempt %d" % n)
        elif first == "echo":
            self.answer(200, self.command.encode() + b":" + body)
        elif first == "redirect":
            self.answer(302, b"", Location="/ok/redirected")
        else:
            self.answer(404, b"nothing here")

    def handle_request(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/stats":
            return self.answer(200, json.dumps(stats).encode())
        if self.path == "/last":
            return self.answer(200, json.dumps(last).encode())
        with lock:
            last.clear()
            last.update(self.headers.items())
            stats["requests"] += 1
            stats["now"] += 1
            stats["most"] = max(stats["most"], stats["now"])
        try:
            self.work(body)
        finally:
            with lock:
                stats["now"] -= 1

    do_GET = do_POST = do_PUT = handle_request


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 4096


server = Server(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
try:
    server.serve_forever()
except KeyboardInterrupt:
    sys.exit(0)
