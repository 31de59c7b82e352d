"""Deadlines: for one call, for a stretch of code, and one within another."""
import asyncio


async def lookup(seconds):
    await asyncio.sleep(seconds)
    return 7


async def main():
    print(f"in time: {await asyncio.wait_for(lookup(0.2), timeout=1)}")

    try:
        await asyncio.wait_for(lookup(5), timeout=1)
    except TimeoutError:
        print("too slow for one call")

    try:
        async with asyncio.timeout(1):
            for i in range(1, 10):
                await lookup(0.4)
                print(f"lookup {i} is done")
    except TimeoutError:
        print("too slow for all of them")

    # The outer deadline comes first: the inner scope does not take it for its own.
    try:
        async with asyncio.timeout(1):
            try:
                async with asyncio.timeout(2):
                    await lookup(5)
            except TimeoutError:
                print("never reached")
    except TimeoutError:
        print("the outer one was over")


asyncio.run(main())
