"""What bench/run measures of penstockd and of what goes through Redis.

One Redis for all of it, ours and the references', on the loopback and without persistence; emptied before each
measurement. How fast the daemon drains is read off the counter that it keeps there, so that neither its start
nor its end counts."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time

STREAM = 'penstock:{q}:ready'
LOOK = 0.005     # seconds between two looks at the counter
PATIENCE = 60    # seconds that one measurement may take
CONFIG = '''instance: bench
concurrency: {concurrency}
store: {{kind: redis, url: "redis://127.0.0.1:{port}/0"}}
http: {{listen: ["unix:{socket}"]}}
log: {{format: logfmt, jobs: {log}}}
handlers:
  nothing: {{noop: {{run: {run}}}}}
queues:
  q: {{handler: nothing, concurrency: {concurrency}, maxsize: 1000, timeout: 10m}}
'''


class Redis:
    """A server of our own, and a connection to it."""

    def __init__(self, folder, port):
        program = shutil.which('redis-server')
        if not program:
            raise RuntimeError('redis-server is not installed')
        self.port = port
        self.server = subprocess.Popen(
            [program, '--port', str(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
             '--dir', folder], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        until = time.monotonic() + 10
        while True:
            try:
                self.socket = socket.create_connection(('127.0.0.1', port))
                break
            except OSError:
                if time.monotonic() > until:
                    raise RuntimeError('redis-server does not come up')
                time.sleep(0.02)
        self.file = self.socket.makefile('rb')

    def command(self, *words):
        self.socket.sendall(b'*%d\r\n' % len(words) + b''.join(
            b'$%d\r\n%s\r\n' % (len(w), w) for w in (str(w).encode() for w in words)))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b'-' or not kind:
            raise RuntimeError(f'Redis: {rest.decode()}')
        if kind == b'$':
            return None if rest == b'-1' else self.file.read(int(rest) + 2)[:-2]
        if kind == b'*':
            return [self.answer() for _ in range(int(rest))]
        return int(rest) if kind == b':' else rest

    def close(self):
        self.server.terminate()
        self.server.wait()


class Daemon:
    """penstockd, ready; its log goes to a file, as it is to be measured."""

    def __init__(self, setup, log='failures', run='0', concurrency=256):
        names = {k: os.path.join(setup.folder, f'penstockd.{k}') for k in ('yaml', 'socket', 'log')}
        with open(names['yaml'], 'w') as f:
            f.write(CONFIG.format(log=log, run=run, concurrency=concurrency, port=setup.redis.port,
                                  socket=names['socket']))
        self.socket = names['socket']
        with open(names['log'], 'w') as f:
            self.process = subprocess.Popen([setup.program('penstockd'), '-c', names['yaml']],
                                            stdin=subprocess.DEVNULL, stderr=f)
        self.log = names['log']

    def __enter__(self):
        wait_for(self, lambda: 'event=daemon.ready' in open(self.log).read())
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(2)  # what still runs is not waited for
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def resident(self):
        """As `bytes`, the kernel's tables for it included."""
        with open(f'/proc/{self.process.pid}/status') as f:
            text = f.read()
        return {'bytes': sum(int(re.search(rf'{k}:\s*(\d+)', text)[1]) for k in ('VmRSS', 'VmPTE')) * 1024}

    def in_flight(self):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.socket)
            s.sendall(b'GET /v1/queues/q HTTP/1.1\r\nHost: q\r\nConnection: close\r\n\r\n')
            text = s.makefile('rb').read()
        queue = json.loads(text.split(b'\r\n\r\n', 1)[1])
        return queue['running'] + queue['buffered']


def wait_for(daemon, condition):
    until = time.monotonic() + PATIENCE
    while not condition():
        if daemon.process.poll() is not None:
            raise RuntimeError(f'penstockd ended: {open(daemon.log).read()[-200:]}')
        if time.monotonic() > until:
            raise RuntimeError(f'took more than {PATIENCE} s')
        time.sleep(LOOK)


class Setup:
    """Makes measurements: functions that answer with figures."""

    def __init__(self, folder, port, program, reference, push_script):
        self.folder, self.program, self.reference = folder, program, reference
        self.push_script = push_script
        self.redis = Redis(folder, port)

    def close(self):
        self.redis.close()

    def peer(self, mode, n, key='peer', arg=None):
        """The command of the reference client."""
        command = self.reference('redis', str(self.redis.port), mode, key, str(n))
        if not command:
            raise RuntimeError('hiredis is not installed')
        return command + ([arg] if arg else [])

    def figures_of(self, command, pattern):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=PATIENCE)
        found = re.search(pattern, done.stdout)
        if done.returncode != 0 or not found:
            raise RuntimeError(f'exit {done.returncode} {done.stdout.strip()[-100:]}')
        return {k: float(v) for k, v in found.groupdict().items()}

    def fill(self, n, key=STREAM):
        self.redis.command('FLUSHALL')
        subprocess.run(self.peer('add', n, key), stdout=subprocess.DEVNULL, check=True)

    def done(self):
        return int(self.redis.command('HGET', 'penstock:{q}:counters', 'done') or 0)

    # --- draining ---------------------------------------------------------------------------------

    def drain(self, n, log='failures'):
        def act():
            self.fill(n)
            with Daemon(self, log=log) as daemon:
                wait_for(daemon, lambda: self.done() > 0)
                begun, before = time.monotonic(), self.done()
                wait_for(daemon, lambda: self.done() >= n)
                return {'rate': (n - before) / (time.monotonic() - begun)}
        return act

    def peer_drain(self, mode, n):
        def act():
            self.fill(n, 'peer')
            return self.figures_of(self.peer(mode, n), r'rate=(?P<rate>\d+)')
        return act

    def produce_and_drain(self, n):
        def act():
            self.redis.command('FLUSHALL')
            with Daemon(self) as daemon:
                begun = time.monotonic()
                producer = subprocess.Popen(self.peer('add', n, STREAM), stdout=subprocess.DEVNULL)
                wait_for(daemon, lambda: self.done() >= n)
                took = time.monotonic() - begun
                producer.wait()
                return {'rate': n / took}
        return act

    def on_empty(self, mode, n, arg=None, key='peer'):
        """The reference, from nothing."""
        def act():
            self.redis.command('FLUSHALL')
            return self.figures_of(self.peer(mode, n, key, arg), r'rate=(?P<rate>\d+)')
        return act

    # --- pushing ----------------------------------------------------------------------------------

    def push(self, n, with_id):
        path = os.path.join(self.folder, f'jobs-{n}-{with_id}.jsonl')
        payload = '"to: somebody@example.org, subject: one hundred bytes of a job, as they are measured here....."'
        with open(path, 'w') as f:
            for i in range(n):
                f.write(f'{{"id":"j{i:08}","payload":{payload}}}\n' if with_id
                        else f'{{"payload":{payload}}}\n')
        command = [self.program('penstock'), '--store', f'redis://127.0.0.1:{self.redis.port}/0',
                   'push', 'q', '--jsonl', path]

        def act():
            self.redis.command('FLUSHALL')
            begun = time.monotonic()
            self.figures_of(command, rf'(?P<stored>{n}) stored')
            return {'rate': n / (time.monotonic() - begun)}
        return act

    # --- latency, memory ----------------------------------------------------------------------------

    def latency(self, n, rate, consumer, key):
        """`consumer` makes the command that prints how long each took; it is started first."""
        def act():
            self.redis.command('FLUSHALL')
            waiting = subprocess.Popen(consumer(n), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True)
            self.figures_of(self.peer('pace', n, key, str(rate)), r'rate=(?P<rate>\d+)')
            out = waiting.communicate(timeout=10)[0]
            found = re.search(r'p50_ms=(?P<p50>[\d.]+) p99_ms=(?P<p99>[\d.]+)', out)
            if not found:
                raise RuntimeError(f'printed {out.strip()[-100:]!r}')
            return {k: float(v) for k, v in found.groupdict().items()}
        return act

    def our_latency(self, n, rate):
        return self.latency(n, rate, lambda n: [self.program('rooms'), 'latency',
                                                str(self.redis.port), str(n)], STREAM)

    def peer_latency(self, n, rate):
        return self.latency(n, rate, lambda n: self.peer('wait', n), 'peer')

    def idle(self, concurrency):
        def act():
            self.redis.command('FLUSHALL')
            with Daemon(self, concurrency=concurrency) as daemon:
                return daemon.resident()
        return act

    def in_flight(self, n):
        """In their handlers, but for a few: 20,000 file descriptors are not enough for 10,000 consumers, by the
        reckoning of the configuration."""
        def act():
            self.fill(n)
            with Daemon(self, concurrency=n - 100, run='5m') as daemon:
                wait_for(daemon, lambda: daemon.in_flight() >= n)
                return daemon.resident()
        return act


def cases(setup, Act, Case, Row, goals):
    """`Act` is a probe that calls a function."""
    at_least, at_most, ours_at_least, ours_at_most = goals
    n = 1000000
    trim = Act('client, XTRIM', setup.peer_drain('trim', n))
    both = Act('client doing both', setup.on_empty('both', n))
    yield Case(Act('drain', setup.drain(n)),
               [Row('daemon: drain', 'rate', '/s', trim, at_least(0.8)),
                Row('daemon: drain', 'rate', '/s', Act('client, XDEL', setup.peer_drain('del', n)))])
    yield Case(Act('drain, log.jobs: all', setup.drain(n, log='all')),
               [Row('daemon: drain, log.jobs: all', 'rate', '/s',
                    Act('log.jobs: failures', setup.drain(n)), at_least(0.5))])
    yield Case(Act('produce and drain', setup.produce_and_drain(n)),
               [Row('daemon: produce and drain at once', 'rate', '/s', both, at_least(0.8))])
    n = 500000
    yield Case(Act('push', setup.push(n, False)),
               [Row('push --jsonl', 'rate', '/s', Act('XADD, pipelined', setup.on_empty('add', n)),
                    at_least(0.65))])
    n = 200000
    yield Case(Act('push, id', setup.push(n, True)),
               [Row('push --jsonl, each with an id', 'rate', '/s',
                    Act('push.lua, pipelined', setup.on_empty('script', n, setup.push_script, STREAM)),
                    at_least(0.8))])
    floor = Act('XADD to XREADGROUP', setup.peer_latency(1100, 200))
    yield Case(Act('latency', setup.our_latency(1100, 200)),
               [Row('latency at 200/s, p50', 'p50', 'ms', floor, at_most(2)),
                Row('latency at 200/s, p50', 'p50', 'ms', None, ours_at_most(0.16)),
                Row('latency at 200/s, p99', 'p99', 'ms', floor, ours_at_most(0.5))])
    for what, act, most in (('daemon idle, resident', setup.idle(256), 12e6),
                            ('… 1,000 consumers', setup.idle(1000), 25e6),
                            ('… 10,000 jobs in flight', setup.in_flight(10000), 120e6)):
        yield Case(Act(what, act), [Row(what, 'bytes', 'B', None, ours_at_most(most))])
    rooms = [setup.program('rooms'), 'memory', '3000000']
    yield Case(Act('memory store', lambda: setup.figures_of(rooms, r'rate=(?P<rate>\d+)')),
               [Row('memory store, push to done', 'rate', '/s', None, ours_at_least(1e6))])
