#!/usr/bin/env python3
"""Pushes jobs from Python: each is one XADD of redis-py, with any field of the contract.

    produce.py QUEUE PAYLOAD... [FIELD=VALUE...]      "-" is standard input, bytes as they are

prints the ids. $REDIS_URL says where: redis://[user:pass@]host:port/db or unix:///path.
"""
import os
import re
import sys

import redis


def main():
    queue, *rest = sys.argv[1:]
    fields = dict(a.split("=", 1) for a in rest if re.match(r"[a-z_]+(\.\w+)?=", a))
    payloads = [a for a in rest if not re.match(r"[a-z_]+(\.\w+)?=", a)]
    client = redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0"))

    # One round trip for all of them. No transaction: each job stands for itself.
    with client.pipeline(transaction=False) as pipeline:
        for payload in payloads:
            body = sys.stdin.buffer.read() if payload == "-" else payload
            # Never with maxlen: the queue is trimmed by its daemons, behind what has ended.
            pipeline.xadd("penstock:{%s}:ready" % queue, {**fields, "payload": body})
        for entry in pipeline.execute():
            print(fields.get("id", entry.decode()))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main()
