"""An async generator over an API that answers page by page."""
import asyncio
import sys
from contextlib import aclosing

import aiohttp


async def items(session):
    path = "/items?page=1"
    while path:
        async with session.get(sys.argv[1] + path) as response:
            response.raise_for_status()
            page = await response.text()
            path = response.headers.get("Next-Page")
        for item in page.splitlines():
            yield item


async def main():
    async with aiohttp.ClientSession() as session:
        async for item in items(session):
            print(item)

        # Whoever has seen enough stops, and the other pages are never asked for.
        async with aclosing(items(session)) as found:
            async for item in found:
                if item.startswith("b"):
                    print(f"the first with b: {item}")
                    break


asyncio.run(main())
