"""Three slow counts: one after the other, then all at once."""
import asyncio

TABLES = {"customers": (125_000, 1.2), "orders": (892_000, 1.0), "products": (12_000, 0.5)}


async def count_rows(table):
    rows, seconds = TABLES[table]
    await asyncio.sleep(seconds)  # a slow query
    return rows


async def sequential():
    return [await count_rows(table) for table in TABLES]


async def concurrent():
    return await asyncio.gather(*(count_rows(table) for table in TABLES))


async def timed(name, count_all):
    loop = asyncio.get_running_loop()
    began = loop.time()
    counts = await count_all()
    print(f"{name}: {sum(counts)} rows in {loop.time() - began:.1f}s")
    for table, rows in zip(TABLES, counts):
        print(f"  {table}: {rows}")


async def main():
    await timed("one after the other", sequential)
    await timed("all at once", concurrent)


asyncio.run(main())
