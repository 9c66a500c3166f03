"""What Prometheus reads from a worker. docs/operations.md says what each metric means.

Counted in batches and put into Prometheus's form only when somebody asks: a message costs two additions here.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.domain.statuses import Outcome
from shared.domain.worker_status import GatewayHealth
from shared.version import VERSION
from worker.delivery import AttemptResult
from worker.telemetry.status_reporter import WorkerStatus

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The histogram's bounds: from a gateway next door to the longest that a request may take by default, and beyond."""


class Metrics(Collector):
    """Counts for one worker. Written by the threads that do the work, read by the one that answers a scrape.

    Each figure has one writer, and a scrape that comes in between is at most one batch behind.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._outcomes: Counter[Outcome] = Counter()
        self._buckets = [0] * (len(SECONDS) + 1)
        self._seconds = 0.0
        self._taken_back = 0
        self._troubles = 0
        self._ticked_at = time.time()
        self.standing: Callable[[], WorkerStatus] = lambda: WorkerStatus(GatewayHealth.OK, 0, 0)
        """How the worker stands: asked at each scrape."""

    def tick(self) -> None:
        """The loop went round."""
        self._ticked_at = time.time()

    def count(self, attempted: Sequence[AttemptResult]) -> None:
        """Takes in a batch of recorded attempts."""
        for one in attempted:
            self._outcomes[one.answer.outcome] += 1
            seconds = one.duration or 0.0
            self._buckets[bisect_left(SECONDS, seconds)] += 1
            self._seconds += seconds

    def count_reclaimed(self, claims: int) -> None:
        """Claims were taken back whose leases had run out."""
        self._taken_back += claims

    def trouble(self) -> None:
        """A transaction had to be tried again."""
        self._troubles += 1

    def collect(self) -> Iterator[Metric]:
        standing = self.standing()
        attempts = CounterMetricFamily("gonets_attempts", "Requests to the gateway.", labels=["worker", "outcome"])
        for outcome in Outcome:
            attempts.add_metric([self._worker, outcome], self._outcomes[outcome])
        seconds = HistogramMetricFamily("gonets_attempt_seconds", "From a request to its answer.", labels=["worker"])
        bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
        reached = zip(bounds, map(float, accumulate(self._buckets)), strict=True)
        seconds.add_metric([self._worker], list(reached), self._seconds)
        state = GaugeMetricFamily("gonets_gateway_state", "1 for the state it is in.", labels=["worker", "state"])
        for health in GatewayHealth:
            state.add_metric([self._worker, health], float(health is standing.gateway))
        build = GaugeMetricFamily("gonets_build_info", "1, labelled with the version.", labels=["worker", "version"])
        build.add_metric([self._worker, VERSION], 1.0)
        yield from (attempts, seconds, state, build)
        yield self._gauge("gonets_in_hand", "Messages claimed and not recorded yet.", standing.in_hand)
        yield self._gauge("gonets_send_limit", "Requests at a time, just now.", standing.send_limit)
        yield self._gauge("gonets_last_tick_timestamp_seconds", "When the loop last went round.", self._ticked_at)
        yield self._counter("gonets_leases_taken_back", "Claims taken back from lost workers.", self._taken_back)
        yield self._counter("gonets_database_troubles", "Transactions that were tried again.", self._troubles)

    def serve(self, address: str, port: int) -> None:
        """Answers scrapes at `/metrics` from a thread of its own. Raises OSError when the port is taken."""
        registry = CollectorRegistry()
        registry.register(self)
        start_http_server(port, address, registry)

    def _gauge(self, name: str, says: str, value: float) -> GaugeMetricFamily:
        gauge = GaugeMetricFamily(name, says, labels=["worker"])
        gauge.add_metric([self._worker], value)
        return gauge

    def _counter(self, name: str, says: str, value: float) -> CounterMetricFamily:
        counter = CounterMetricFamily(name, says, labels=["worker"])
        counter.add_metric([self._worker], value)
        return counter
