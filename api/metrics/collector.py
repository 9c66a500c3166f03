"""The state of the ledger as metrics, read from the database at each scrape."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from api.extensions import db
from api.gateways.queries import gateway_names
from api.inbound.queries import count_unassembled_parts, count_undecided, count_unread
from api.messages.counts import message_totals
from api.receipts.queries import orphans_by_gateway, receipt_queue
from api.statistics.delivery import MEASURED_HOUR, speed_by_gateway
from api.statistics.queries import mailings_by_status, unfinished_messages
from api.suppressions.queries import estimate_in_force
from api.workers.queries import fleet

log = logging.getLogger(__name__)

# The age of the message that has been due longest, among mailings whose messages may be sent now.
READ_WAITING = text("""
SELECT coalesce(extract(epoch FROM now() - min(first_due.due_at))::float8, 0.0)
FROM mailing CROSS JOIN LATERAL (
    SELECT due_at FROM queue_batch
    WHERE mailing_id = mailing.id AND due_at <= now()
    ORDER BY due_at, id
    LIMIT 1
) AS first_due
WHERE launch_started_at IS NOT NULL AND settled_at IS NULL AND mailing.status = 'running' AND now() < end_datetime
""")

# Messages whose lease has expired and that no worker has reclaimed, up to a thousand.
COUNT_EXPIRED_LEASES = text("""
SELECT count(*) FROM (
    SELECT
    FROM (SELECT id, message_ids FROM claim WHERE lease_until < now() LIMIT 1000) AS expired
        CROSS JOIN LATERAL unnest(message_ids) AS held(id)
        JOIN message ON message.id = held.id AND message.claim_id = expired.id AND status = 'sending'
    LIMIT 1000
) AS lost
""")


class LedgerCollector(Collector):
    """A scrape never fails: while the database is unavailable, it returns only gonets_database_up."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            read = self._read()
        except SQLAlchemyError as error:
            db.session.rollback()
            log.warning("metrics.database_unavailable", extra={"error": type(error).__name__})
            read = []
        yield _gauge("gonets_database_up", "Whether the database is available.", float(bool(read)))
        yield from read

    def _read(self) -> list[GaugeMetricFamily]:
        messages = GaugeMetricFamily("gonets_messages", "Messages of the ledger.", labels=["status"])
        totals = message_totals()
        for status, count in totals.by_status.items():
            messages.add_metric([status], count)
        sent = GaugeMetricFamily("gonets_sent_messages", "Sent messages by delivery.", labels=["delivery"])
        for delivery, count in totals.by_delivery.items():
            sent.add_metric([delivery], count)
        mailings = GaugeMetricFamily("gonets_mailings", "Mailings that are not removed.", labels=["status"])
        for status, count in mailings_by_status().items():
            mailings.add_metric([status], count)
        workers = fleet()
        available = GaugeMetricFamily(
            "gonets_gateway_available", "Whether routes with several gateways use it.", labels=["gateway"]
        )
        paused = GaugeMetricFamily("gonets_gateway_paused", "Whether it is paused.", labels=["gateway"])
        for gateway in workers.gateways:
            available.add_metric([gateway.name], float(gateway.is_available))
            paused.add_metric([gateway.name], float(gateway.is_paused))
        return [
            messages,
            sent,
            mailings,
            available,
            paused,
            _suppressions(),
            *_receipts([gateway.name for gateway in workers.gateways]),
            _gauge(
                "gonets_due_oldest_seconds", "Seconds since the oldest due message became due.", _number(READ_WAITING)
            ),
            _gauge("gonets_workers_alive", "Workers with a recent report.", workers.workers_alive),
            _gauge(
                "gonets_leases_run_out", "Expired leases that no worker has reclaimed.", _number(COUNT_EXPIRED_LEASES)
            ),
            _gauge(
                "gonets_unended_messages",
                "Messages of ended mailings that are not final.",
                float(unfinished_messages()),
            ),
            _gauge("gonets_inbound_unread", "Unread inbound messages, up to a thousand.", float(count_unread())),
            _gauge(
                "gonets_inbound_undecided",
                "Inbound messages with a keyword that wait for a decision, up to a thousand.",
                float(count_undecided()),
            ),
            _gauge(
                "gonets_inbound_parts_waiting",
                "Parts of inbound messages that are not put together yet, up to a thousand.",
                float(count_unassembled_parts()),
            ),
        ]


def _receipts(gateways: Sequence[str]) -> Iterator[GaugeMetricFamily]:
    queue = receipt_queue()
    yield _gauge("gonets_receipts_waiting", "Receipts that are not applied yet.", queue.receipts)
    yield _gauge("gonets_receipt_oldest_seconds", "Seconds since the oldest of these came.", queue.oldest_seconds)
    orphans = GaugeMetricFamily("gonets_receipt_orphans", "Receipts that match no message.", labels=["gateway"])
    # Zeros too: what begins to grow has to be compared with something.
    for gateway, count in (dict.fromkeys(gateways, 0) | orphans_by_gateway()).items():
        orphans.add_metric([gateway], count)
    yield orphans
    share = GaugeMetricFamily(
        "gonets_delivery_share", "The share of messages that was delivered in time.", labels=["gateway", "within"]
    )
    measured = GaugeMetricFamily("gonets_delivery_measured", "The messages of that share.", labels=["gateway"])
    sent = dict.fromkeys(gateways, 0)
    for speed in speed_by_gateway(MEASURED_HOUR):
        name = gateway_names()[speed.gateway_id].name
        sent[name] = speed.sent
        for within, delivered in (("1m", speed.within_1), ("5m", speed.within_5), ("10m", speed.within_10)):
            share.add_metric([name, within], delivered / speed.sent if speed.sent else 0.0)
    for name, count in sent.items():
        measured.add_metric([name], count)
    yield from (share, measured)


def _suppressions() -> GaugeMetricFamily:
    in_force = GaugeMetricFamily(
        "gonets_suppressions", "Suppressions in force, estimated beyond a hundred thousand.", labels=["scope"]
    )
    for scope, count in estimate_in_force().items():
        in_force.add_metric([scope], count)
    return in_force


def _number(query: TextClause) -> float:
    return float(db.session.execute(query).scalar_one())


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, value=value)
