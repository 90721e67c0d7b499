"""A program on asyncio: POTSDB_URL=tsdb://localhost python agent.py"""

import asyncio

import potsdb


async def main():
    async with potsdb.Client(check_host=False) as metrics:
        render = metrics.timer("agent.render")
        async with render:
            await asyncio.sleep(0)
        if not await metrics.aflush(5):
            print(metrics.stats())


asyncio.run(main())
