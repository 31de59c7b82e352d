"""A service that fails twice: again, after growing pauses."""
import asyncio
import errno
import os


class Service:
    attempts = 0

    async def call(self):
        self.attempts += 1
        await asyncio.sleep(0.1)
        if self.attempts < 3:
            print(f"attempt {self.attempts}: {os.strerror(errno.ECONNRESET)}")
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        return 42


async def retry(attempts, delay, call):
    for attempt in range(1, attempts + 1):
        try:
            return await call()
        except OSError:
            if attempt == attempts:
                raise
            await asyncio.sleep(delay * 2 ** (attempt - 1))


async def main():
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await retry(5, 0.5, Service().call)
    print(f"the answer is {answer}, after {loop.time() - began:.1f}s")


asyncio.run(main())
