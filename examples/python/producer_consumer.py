"""A bounded queue between one producer and two consumers."""
import asyncio


async def producer(queue):
    for order in range(1, 9):
        await queue.put(order)  # waits while three are in the queue
        print(f"order {order} is in the queue")
        await asyncio.sleep(0.04)


async def consumer(name, seconds, queue):
    while True:
        order = await queue.get()
        await asyncio.sleep(seconds)
        print(f"{name} has packed order {order}")
        queue.task_done()


async def main():
    queue = asyncio.Queue(maxsize=3)
    consumers = [
        asyncio.create_task(consumer("Anna", 0.25, queue)),
        asyncio.create_task(consumer("Bert", 0.42, queue)),
    ]
    await producer(queue)
    await queue.join()  # until all that was put is done
    for task in consumers:
        task.cancel()
    await asyncio.gather(*consumers, return_exceptions=True)
    print("all orders are packed")


asyncio.run(main())
