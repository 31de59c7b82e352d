"""Children that belong together: when one fails, the others are cancelled and awaited."""
import asyncio
import errno
import os


async def load(table, seconds):
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        await asyncio.sleep(seconds / 4)  # what must be cleaned up may wait
        print(f"{table}: cancelled, and cleaned up")
        raise
    if table == "invoices":
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    print(f"{table}: loaded")


async def load_all(tables):
    try:
        async with asyncio.TaskGroup() as group:
            for table, seconds in tables.items():
                group.create_task(load(table, seconds))
    except* OSError as failed:
        print(f"failed: {failed.exceptions[0].strerror}")
    else:
        print("all are loaded")


async def main():
    await load_all({"customers": 0.3, "orders": 0.2})
    await load_all({"products": 0.1, "invoices": 0.2, "customers": 0.3, "orders": 0.4})


asyncio.run(main())
