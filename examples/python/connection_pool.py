"""A pool of two connections, lent by an async context manager to six users."""
import asyncio
from contextlib import asynccontextmanager


class ConnectionPool:
    def __init__(self, size):
        self._slots = asyncio.Semaphore(size)
        self._idle = []
        self._opened = 0

    @asynccontextmanager
    async def connection(self):
        async with self._slots:
            connection = self._idle.pop() if self._idle else await self._open()
            try:
                yield connection
            finally:
                self._idle.append(connection)

    async def _open(self):
        self._opened += 1
        connection = self._opened
        await asyncio.sleep(0.2)  # a handshake
        print(f"connection {connection} is open")
        return connection

    def close(self):
        for connection in reversed(self._idle):
            print(f"connection {connection} is closed")


async def query(pool, number):
    async with pool.connection() as connection:
        await asyncio.sleep(0.1 * number)
        print(f"query {number} ran on connection {connection}")


async def main():
    pool = ConnectionPool(2)
    await asyncio.gather(*(query(pool, number) for number in range(1, 7)))
    pool.close()


asyncio.run(main())
