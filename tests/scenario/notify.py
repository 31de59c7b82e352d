#!/usr/bin/env python3
"""Plays systemd's notify socket: notify.py SOCKET. Prints each assignment that comes as a line."""
import socket
import sys

s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
while True:
    for line in s.recv(65536).decode("utf-8", "replace").split("\n"):
        if line:
            print(line, flush=True)
