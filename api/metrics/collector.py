"""The state of the ledger as metrics, read from the database at each scrape."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import TextClause, text
from sqlalchemy.exc import SQLAlchemyError

from api.extensions import db
from api.messages.counts import messages_by_status
from api.statistics.queries import mailings_by_status, unended_messages
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
        for status, count in messages_by_status().items():
            messages.add_metric([status], count)
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
            mailings,
            available,
            paused,
            _gauge(
                "gonets_due_oldest_seconds", "Seconds since the oldest due message became due.", _number(READ_WAITING)
            ),
            _gauge("gonets_workers_alive", "Workers with a recent report.", workers.workers_alive),
            _gauge(
                "gonets_leases_run_out", "Expired leases that no worker has reclaimed.", _number(COUNT_EXPIRED_LEASES)
            ),
            _gauge(
                "gonets_unended_messages", "Messages of ended mailings that are not final.", float(unended_messages())
            ),
        ]


def _number(query: TextClause) -> float:
    return float(db.session.execute(query).scalar_one())


def _gauge(name: str, description: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, description, value=value)
