"""Some URLs, one of which does not exist: the error stands beside the others' results."""
import asyncio
import sys

import aiohttp

PATHS = ["/item/1", "/item/2", "/nothing", "/item/3"]


async def fetch(session, path):
    async with session.get(sys.argv[1] + path) as response:
        response.raise_for_status()
        return await response.text()


async def main():
    async with aiohttp.ClientSession() as session:
        results = await asyncio.gather(
            *(fetch(session, path) for path in PATHS), return_exceptions=True
        )
    for path, result in zip(PATHS, results):
        if isinstance(result, aiohttp.ClientResponseError):
            print(f"{path}: failed, status {result.status}")
        elif isinstance(result, Exception):
            print(f"{path}: failed, {result}")
        else:
            print(f"{path}: {result}")


asyncio.run(main())
