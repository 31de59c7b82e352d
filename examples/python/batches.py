"""Twenty batches, five at a time, and how far it is."""
import asyncio

BATCHES = 20
AT_ONCE = 5


async def process(batch):
    await asyncio.sleep(0.1 + 0.05 * (batch % AT_ONCE))


async def main():
    loop = asyncio.get_running_loop()
    began = loop.time()
    for done in range(0, BATCHES, AT_ONCE):
        await asyncio.gather(*(process(batch) for batch in range(done, done + AT_ONCE)))
        print(f"{done + AT_ONCE:2} of {BATCHES} batches after {loop.time() - began:.1f}s")


asyncio.run(main())
