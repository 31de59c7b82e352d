"""Runs a program of asyncio by a virtual clock, which stands still while anything can run and then
jumps to the next timer: as PEN_CLOCK_VIRTUAL does.

    virtual_clock.py PROGRAM
"""
import asyncio
import runpy
import selectors
import sys


class Selector(selectors.DefaultSelector):
    jumped = 0.0

    def select(self, timeout=None):
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        ready = super().select(0)
        if not ready:
            self.jumped += timeout
        return ready


class Loop(asyncio.SelectorEventLoop):
    def __init__(self):
        self.virtual = Selector()
        super().__init__(self.virtual)

    def time(self):
        return self.virtual.jumped


class Policy(asyncio.DefaultEventLoopPolicy):
    _loop_factory = Loop


asyncio.set_event_loop_policy(Policy())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
