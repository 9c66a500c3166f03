"""Workers at a steady pace against a slow gateway, for some seconds in the middle of a mailing that doesn't end."""

from __future__ import annotations

import time
from typing import NamedTuple

from benchmarks import ledger
from benchmarks.fleet import Fleet
from benchmarks.postgres import connect
from benchmarks.processes import memory
from benchmarks.stage import Stage

WARM_UP = 5.0
"""Seconds for the workers' concurrency to adapt."""
FASTEST = 20_000
"""Messages a second that nobody is expected to exceed: so many are there."""


class Pace(NamedTuple):
    """What was measured; CPU in seconds by group, `memory` the most bytes that a worker had."""

    sent: int
    seconds: float
    cpu: dict[str, float]
    memory: int

    @property
    def speed(self) -> float:
        """Messages a second."""
        return self.sent / self.seconds


def keep_pace(stage: Stage, *, latency: float, workers: int, concurrency: int, seconds: float) -> Pace:
    """How so many workers fare. Raises Discrepancy when the ledgers disagree at the end."""
    ideal = min(workers * concurrency / latency, FASTEST)
    messages = int(1.1 * ideal * (WARM_UP + seconds + latency)) + 1000
    progress = stage.progress(f"{latency * 1000:,.0f} ms, {workers} × {concurrency}")
    settings = {"WORKER_CONCURRENCY": str(concurrency), "WORKER_POLL_SECONDS": "0.05"}
    with stage.server.database("steady") as url, stage.gateway(latency) as gateway:
        connection = connect(url)
        mailing_id = ledger.add_waiting_mailing(connection, messages, progress)
        with Fleet(url, gateway, workers, stage.folder, settings) as fleet:
            ledger.release(connection, mailing_id)
            time.sleep(WARM_UP)
            meter, began, before, most = (
                stage.meter(gateway, workers=fleet.pids),
                time.monotonic(),
                gateway.requests(),
                0,
            )
            while (elapsed := time.monotonic() - began) < seconds:
                most = max(most, *(memory(pid) for pid in fleet.pids))
                progress.show(elapsed, seconds, "seconds")
                time.sleep(0.2)
            pace = Pace(gateway.requests() - before, time.monotonic() - began, meter.read(), most)
            if not ledger.is_open(connection, mailing_id):
                raise ledger.Discrepancy("The messages ran out before the time did.")
        served, recorded = gateway.served(), ledger.recorded(connection, mailing_id)
        # Told to stop in the middle, the workers have recorded what was in flight, and given back the rest.
        ledger.expect("requests", served.requests, served.distinct)
        ledger.expect("messages recorded as sent", recorded.sent, served.distinct)
        ledger.expect("messages in all", sum(recorded.by_status.values()), messages)
        connection.close()
    return pace
