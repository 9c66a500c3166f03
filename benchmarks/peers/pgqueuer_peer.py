"""PgQueuer: one message a job, its log as the ledger.

python -m benchmarks.peers.pgqueuer_peer enqueue COUNT
python -m benchmarks.peers.pgqueuer_peer work BATCH
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import aiohttp
import asyncpg
import uvloop
from pgqueuer import PgQueuer, Queries
from pgqueuer.models import Job

from benchmarks.messages import HEADERS, body, path

IDLE = timedelta(seconds=1)


async def enqueue(count: int) -> None:
    """Makes the tables, and one job a message."""
    connection = await asyncpg.connect(os.environ["PEER_DATABASE_URL"])
    queries = Queries.from_asyncpg_connection(connection)
    await queries.install()
    for first in range(1, count + 1, 1000):
        ids = range(first, min(first + 1000, count + 1))
        await queries.enqueue(["send"] * len(ids), [str(message_id).encode() for message_id in ids], [0] * len(ids))
    await connection.close()


async def work(batch: int) -> None:
    """Does the jobs until it is ended."""
    gateway = os.environ["PEER_GATEWAY_URL"]
    connection = await asyncpg.connect(os.environ["PEER_DATABASE_URL"])
    queue = PgQueuer.from_asyncpg_connection(connection)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64)) as session:

        @queue.entrypoint("send")
        async def send(job: Job) -> None:
            assert job.payload is not None
            message_id = int(job.payload)
            async with session.post(gateway + path(message_id), data=body(message_id), headers=HEADERS) as answer:
                answer.raise_for_status()
                await answer.read()

        await queue.run(batch_size=batch, dequeue_timeout=IDLE)


if __name__ == "__main__":
    uvloop.run({"enqueue": enqueue, "work": work}[sys.argv[1]](int(sys.argv[2])))
