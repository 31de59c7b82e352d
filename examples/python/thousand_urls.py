"""A thousand URLs, never more than ten at once."""
import asyncio
import sys

import aiohttp

URLS = 1000
AT_ONCE = 10


async def fetch(session, limit, url):
    async with limit:
        async with session.get(url) as response:
            response.raise_for_status()
            return len(await response.read())


async def main():
    limit = asyncio.Semaphore(AT_ONCE)
    urls = [f"{sys.argv[1]}/item/{i}" for i in range(URLS)]
    async with aiohttp.ClientSession() as session:
        sizes = await asyncio.gather(*(fetch(session, limit, url) for url in urls))
    print(f"{len(sizes)} pages, {sum(sizes)} bytes")


asyncio.run(main())
