"""The fastest of three mirrors; the others are cancelled."""
import asyncio

MIRRORS = {"Amsterdam": 0.9, "Berlin": 0.3, "Cork": 0.6}


async def download(mirror):
    try:
        await asyncio.sleep(MIRRORS[mirror])
        return len(mirror)
    except asyncio.CancelledError:
        print(f"{mirror}: cancelled")
        raise


async def main():
    tasks = [asyncio.create_task(download(mirror), name=mirror) for mirror in MIRRORS]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        print(f"{task.get_name()}: {task.result()} bytes")
    for task in tasks:
        task.cancel()  # the winner has ended: nothing happens to it
    await asyncio.wait(pending)


asyncio.run(main())
