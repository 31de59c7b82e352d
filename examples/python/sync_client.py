"""A client for callers that know nothing of asyncio: the loop has a thread of its own."""
import asyncio
import threading


async def answer(question):
    await asyncio.sleep(0.05)  # over the network
    return len(question)


class Client:
    def __init__(self):
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    def ask(self, question, timeout=10):
        return asyncio.run_coroutine_threadsafe(answer(question), self._loop).result(timeout)

    def close(self):
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


client = Client()
for question in ["who?", "where to?", "what for?"]:
    print(f"{question} {client.ask(question)}")
client.close()
