"""Procrastinate: one message a job, the job's own status as the ledger.

python -m benchmarks.peers.procrastinate_peer enqueue COUNT
python -m benchmarks.peers.procrastinate_peer work CONCURRENCY
"""

from __future__ import annotations

import os
import sys

import aiohttp
import procrastinate
import uvloop

from benchmarks.messages import HEADERS, body, path

POOL = 20
"""Database connections of a process, at most."""

app = procrastinate.App(
    connector=procrastinate.PsycopgConnector(conninfo=os.environ["PEER_DATABASE_URL"], min_size=POOL, max_size=POOL)
)


@app.task(queue="messages")
async def send(message_id: int) -> None:
    """Posts one message."""
    gateway = os.environ["PEER_GATEWAY_URL"]
    async with _session[0].post(gateway + path(message_id), data=body(message_id), headers=HEADERS) as answer:
        answer.raise_for_status()
        await answer.read()


_session: list[aiohttp.ClientSession] = []


async def enqueue(count: int) -> None:
    """Makes the tables, and one job a message."""
    async with app.open_async():
        await app.schema_manager.apply_schema_async()
        for first in range(1, count + 1, 1000):
            ids = range(first, min(first + 1000, count + 1))
            await send.batch_defer_async(*({"message_id": message_id} for message_id in ids))


async def work(concurrency: int) -> None:
    """Does the jobs until it is ended."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session, app.open_async():
        _session.append(session)
        await app.run_worker_async(
            queues=["messages"], concurrency=concurrency, delete_jobs="never", listen_notify=False
        )


if __name__ == "__main__":
    uvloop.run({"enqueue": enqueue, "work": work}[sys.argv[1]](int(sys.argv[2])))
