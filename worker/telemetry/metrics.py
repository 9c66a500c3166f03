"""Prometheus metrics of a worker. docs/operations.md describes each.

Counts are updated in batches, and converted to the Prometheus format only for a scrape: a message costs two additions.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from shared.domain.reasons import BY_RULES
from shared.domain.results import Result
from shared.domain.worker_status import GatewayHealth
from shared.version import VERSION
from worker.claimed_message import AttemptResult
from worker.telemetry.keyword_totals import KeywordTotals
from worker.telemetry.receipt_totals import ReceiptTotals
from worker.telemetry.status_reporter import LaneStatus

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""The histogram's bounds: from a gateway in the same network to more than the default GATEWAY_TIMEOUT."""

LABELS = ["worker", "gateway"]


class _LaneCounts:
    """Counts of the attempts at one gateway."""

    def __init__(self) -> None:
        self.results: Counter[Result] = Counter()
        self.buckets = [0] * (len(SECONDS) + 1)
        self.seconds = 0.0

    def count(self, attempted: Sequence[AttemptResult]) -> None:
        self.results.update([attempt.submitted.result for attempt in attempted])
        durations = [attempt.duration or 0.0 for attempt in attempted]
        self.seconds += sum(durations)
        for seconds in durations:
            self.buckets[bisect_left(SECONDS, seconds)] += 1


class Metrics(Collector):
    """The metrics of one worker. Written by its threads, read by the one that serves a scrape.

    Each value has one writer, and a scrape is at most one batch behind.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._counts: defaultdict[str, _LaneCounts] = defaultdict(_LaneCounts)
        self._reclaimed = 0
        self._retries = 0
        self._ticked_at = time.time()
        self.statuses: Callable[[], Sequence[LaneStatus]] = list
        """The statuses of the lanes; called at each scrape."""
        self.receipts = ReceiptTotals()
        self.keywords = KeywordTotals()

    def tick(self) -> None:
        """Records a tick of the loop."""
        self._ticked_at = time.time()

    def count(self, gateway: str, attempted: Sequence[AttemptResult]) -> None:
        """Counts a batch of recorded attempts at a gateway."""
        self._counts[gateway].count(attempted)

    def count_reclaimed(self, claims: int) -> None:
        """Counts claims that were reclaimed after their leases expired."""
        self._reclaimed += claims

    def count_retry(self) -> None:
        """Counts a retry of a transaction."""
        self._retries += 1

    def collect(self) -> Iterator[Metric]:
        statuses = self.statuses()
        yield from self._attempts([status.gateway for status in statuses])
        state = GaugeMetricFamily("gonets_gateway_state", "1 for the state it is in.", labels=[*LABELS, "state"])
        in_flight = GaugeMetricFamily("gonets_in_flight", "Messages claimed and not recorded yet.", labels=LABELS)
        limit = GaugeMetricFamily("gonets_concurrency_limit", "Requests at a time, just now.", labels=LABELS)
        ruled_out = CounterMetricFamily(
            "gonets_ruled_out", "Messages that a claim has ended or postponed.", labels=[*LABELS, "reason"]
        )
        for status in statuses:
            labels = [self._worker, status.gateway]
            for health in GatewayHealth:
                state.add_metric([*labels, health], float(health is status.state))
            in_flight.add_metric(labels, status.in_flight)
            limit.add_metric(labels, status.concurrency_limit)
            for reason in BY_RULES:
                ruled_out.add_metric([*labels, reason], status.withdrawn.get(reason, 0))
        build = GaugeMetricFamily("gonets_build_info", "1, labelled with the version.", labels=["worker", "version"])
        build.add_metric([self._worker, VERSION], 1.0)
        yield from (state, in_flight, limit, ruled_out, build)
        ticked = GaugeMetricFamily(
            "gonets_last_tick_timestamp_seconds", "When the loop last went round.", labels=["worker"]
        )
        ticked.add_metric([self._worker], self._ticked_at)
        yield ticked
        yield self._counter("gonets_leases_reclaimed", "Claims reclaimed after their leases expired.", self._reclaimed)
        yield self._counter("gonets_database_retries", "Transactions that were tried again.", self._retries)
        receipts = self.receipts
        yield self._counter("gonets_receipts_applied", "Receipts moved to their messages.", receipts.applied)
        yield self._counter("gonets_receipts_unmatched", "Receipts that match no message.", receipts.orphans)
        yield self._counter("gonets_doubts_settled", "Messages in doubt, sent by a receipt.", receipts.settled)
        yield from self._keywords()

    def serve(self, address: str, port: int) -> None:
        """Serves scrapes at `/metrics` from a separate thread. Raises OSError when the port is taken."""
        registry = CollectorRegistry()
        registry.register(self)
        start_http_server(port, address, registry)

    def _attempts(self, gateways: Sequence[str]) -> Iterator[Metric]:
        attempts = CounterMetricFamily("gonets_attempts", "Submissions, by their results.", labels=[*LABELS, "result"])
        seconds = HistogramMetricFamily("gonets_attempt_seconds", "From a request to its response.", labels=LABELS)
        for gateway in gateways:
            counts = self._counts[gateway]
            labels = [self._worker, gateway]
            for result in Result:
                attempts.add_metric([*labels, result], counts.results[result])
            bounds = [*(str(bound) for bound in SECONDS), "+Inf"]
            reached = zip(bounds, map(float, accumulate(counts.buckets)), strict=True)
            seconds.add_metric(labels, list(reached), counts.seconds)
        yield from (attempts, seconds)

    def _keywords(self) -> Iterator[Metric]:
        exact = CounterMetricFamily(
            "gonets_keywords", "Inbound messages that were a keyword, by what it asks for.", labels=["worker", "action"]
        )
        for action, count in self.keywords.exact.items():
            exact.add_metric([self._worker, action], count)
        yield exact
        yield self._counter(
            "gonets_keyword_near_misses", "Inbound messages that contained a keyword.", self.keywords.near_misses
        )
        yield self._counter("gonets_keyword_replies", "Replies to keywords.", self.keywords.replies)

    def _counter(self, name: str, documentation: str, value: float) -> CounterMetricFamily:
        counter = CounterMetricFamily(name, documentation, labels=["worker"])
        counter.add_metric([self._worker], value)
        return counter
