"""A call that blocks: in a task it stops all others, in a thread it does not.

PYTHONASYNCIODEBUG=1 tells who held the loop.
"""
import asyncio
import time

beats = 0


async def heart():
    global beats
    while True:
        await asyncio.sleep(0.02)
        beats += 1


def compute():
    time.sleep(0.5)  # a library that knows nothing of the loop


async def the_wrong_way():
    compute()


async def the_right_way():
    await asyncio.to_thread(compute)


async def watch(name, way):
    before = beats
    await asyncio.create_task(way(), name=name)
    print(f"{name}: the heart {'went on beating' if beats - before > 1 else 'stood still'}")


async def main():
    beating = asyncio.create_task(heart())
    await watch("the wrong way", the_wrong_way)
    await watch("the right way", the_right_way)
    beating.cancel()


asyncio.run(main())
