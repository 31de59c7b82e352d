"""Four slow questions to an API, in about the time of one."""
import asyncio
import sys

import aiohttp

QUESTIONS = ["weather", "news", "traffic", "calendar"]


async def ask(session, question):
    async with session.get(f"{sys.argv[1]}/ask/{question}") as response:
        response.raise_for_status()
        return await response.text()


async def main():
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with aiohttp.ClientSession() as session:
        answers = await asyncio.gather(*(ask(session, question) for question in QUESTIONS))
    for question, answer in zip(QUESTIONS, answers):
        print(f"{question}: {answer}")
    print(f"4 questions of 0.5s each, in {loop.time() - began:.1f}s")


asyncio.run(main())
