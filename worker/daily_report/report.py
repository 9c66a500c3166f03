"""The daily report: an e-mail about the previous day, sent once by the whole fleet.

Any worker may send it, under a lease of the day, as for a message: after a failure of the mail server or the worker,
any worker retries. If a worker crashes between the server's acceptance and the commit, the report is sent a second
time, with the same Message-ID.
"""

from __future__ import annotations

import logging
import smtplib
import ssl
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from email.message import EmailMessage
from email.utils import format_datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.delivery import Delivery
from shared.domain.results import TAKEN, Result
from shared.domain.statuses import MessageStatus
from worker.daily_report.mail_settings import MailSettings
from worker.database import NOT_MIGRATED, TRANSIENT_ERRORS, Database

log = logging.getLogger(__name__)

CHECK_INTERVAL = 60.0
"""Seconds between two checks whether a report is due."""

SMTP_TIMEOUT = 30.0
"""Seconds that each step of the SMTP dialogue may take."""

MAILINGS_SHOWN = 50
"""Mailings that are listed one by one."""

# Lease the day whose report is due, unless it is sent or leased. The lease is longer after each failure, at most an
# hour. (One that ends later is from before the database's clock was set back.)
CLAIM_DAY = """
INSERT INTO daily_report AS report (day, lease_until)
VALUES (%s, now() + interval '5 minutes')
ON CONFLICT (day) DO UPDATE
SET tries = report.tries + 1,
    lease_until = now() + least(report.tries + 1, 12) * interval '5 minutes'
WHERE report.sent_at IS NULL AND report.lease_until NOT BETWEEN now() AND now() + interval '1 hour'
RETURNING day
"""

MARK_SENT = "UPDATE daily_report SET sent_at = now() WHERE day = %s AND sent_at IS NULL"

COUNT_ATTEMPTS = """
SELECT result, count(*) FROM attempt WHERE started_at >= %(begins)s AND started_at < %(ends)s GROUP BY result
"""

# What became of the messages that were sent on that day, as far as it is known now. No index has the time of sending:
# they are looked for among the neighbours of those that have been attempted since the day before.
COUNT_DELIVERIES = """
WITH block AS MATERIALIZED (
    SELECT DISTINCT message_id / 10000 AS number
    FROM attempt WHERE started_at >= %(begins)s - interval '1 day' AND started_at < %(ends)s
)
SELECT coalesce(delivery, 'no_receipt'), sum(messages)::bigint
FROM block CROSS JOIN LATERAL (
    SELECT delivery, count(*) AS messages
    FROM message
    WHERE id >= number * 10000 AND id < (number + 1) * 10000
        AND sent_at >= %(begins)s AND sent_at < %(ends)s AND status = 'sent'
    GROUP BY delivery
) AS sent
GROUP BY 1
"""

# What each gateway accepted on that day, in segments and at what price, as far as that is known.
COUNT_BY_GATEWAY = """
SELECT attempt.gateway, count(*) FILTER (WHERE result = ANY(%(taken)s::attempt_result[])) AS accepted,
    count(*) AS requests, sum(segments) AS segments, sum(price) AS price, max(currency) AS currency
FROM attempt LEFT JOIN gateway ON gateway.name = attempt.gateway
WHERE started_at >= %(begins)s AND started_at < %(ends)s
GROUP BY attempt.gateway
ORDER BY attempt.gateway
"""

# The mailings that were under way on that day, the largest first, with the current counts of their messages.
LIST_MAILINGS = """
SELECT mailing.id, mark, mailing.status, audience, counts.by_status, count(*) OVER ()
FROM mailing CROSS JOIN LATERAL (
    SELECT coalesce(jsonb_object_agg(status, messages), '{}') AS by_status
    FROM (
        SELECT status, sum(delta)::bigint AS messages
        FROM message_count_delta WHERE mailing_id = mailing.id GROUP BY status
    ) AS tally
) AS counts
WHERE launch_started_at < %(ends)s AND (settled_at IS NULL OR settled_at >= %(begins)s)
ORDER BY audience DESC, mailing.id
LIMIT %(limit)s
"""


class Day(NamedTuple):
    """A day to report on, with its bounds and the time of its claim."""

    day: date
    begins: datetime
    ends: datetime
    claimed_at: datetime


class MailingLine(NamedTuple):
    """A mailing that was under way on the day."""

    id: int
    mark: str
    status: str
    audience: int
    messages: dict[str, int]
    of: int
    """How many such mailings there are."""


class GatewayLine(NamedTuple):
    """What a gateway did on the day."""

    gateway: str
    accepted: int
    requests: int
    segments: int | None
    """Of what was accepted; None if it is not known."""
    price: Decimal | None
    currency: str | None


class Summary(NamedTuple):
    """The contents of the report."""

    attempts: dict[str, int]
    mailings: list[MailingLine]
    gateways: Sequence[GatewayLine] = ()
    deliveries: Mapping[str, int] = {}
    """How many messages that were sent on the day have each delivery."""


class DailyReport:
    """Sends the report about each day. Runs in a separate thread: a mail server may be slow."""

    def __init__(self, database: Database, settings: MailSettings, stop: threading.Event) -> None:
        self._database = database
        self._settings = settings
        self._stop = stop

    def run(self) -> None:
        """Checks once a minute, until stopped."""
        try:
            while not self._stop.is_set():
                try:
                    self.send_if_due()
                except NOT_MIGRATED:
                    log.warning("daily_report.not_migrated")
                self._stop.wait(CHECK_INTERVAL)
        except TRANSIENT_ERRORS:
            if not self._stop.is_set():
                raise
        finally:
            self._database.close()

    def send_if_due(self) -> bool:
        """Sends the report about the previous day if it is due and not sent. Returns whether it did."""
        day = self._database.transaction(self._claim)
        if day is None:
            return False
        summary = self._database.transaction(lambda cursor: _summary(cursor, day))
        try:
            refused = _send(compose(day, summary, self._settings), self._settings)
        except (OSError, smtplib.SMTPException) as error:
            # Not its text: a server may quote addresses or commands.
            fields = {"day": str(day.day), "error": type(error).__name__, "code": getattr(error, "smtp_code", None)}
            log.warning("daily_report.failed", extra=fields)
            return False
        self._database.transaction(lambda cursor: cursor.execute(MARK_SENT, (day.day,)))
        log.info("daily_report.sent", extra={"day": str(day.day), "recipients_refused": refused})
        return True

    def _claim(self, cursor: Cursor) -> Day | None:
        cursor.execute("SELECT now()")
        (now,) = cursor.fetchone() or ()
        day = day_before(now, self._settings.at, ZoneInfo(self._settings.timezone))
        cursor.execute(CLAIM_DAY, (day.day,))
        return day if cursor.fetchone() else None


def day_before(now: datetime, at: time, zone: ZoneInfo) -> Day:
    """The day whose report is due, which is sent from `at` on the day after it.

    Its bounds are computed here, with the time zones that the settings were checked with: the database may have others.
    """
    local = now.astimezone(zone).replace(tzinfo=None)
    day = (local - timedelta(hours=at.hour, minutes=at.minute)).date() - timedelta(days=1)
    begins, ends = (datetime.combine(date_, time(), zone).astimezone(UTC) for date_ in (day, day + timedelta(days=1)))
    return Day(day, begins, ends, now)


def compose(day: Day, summary: Summary, settings: MailSettings) -> EmailMessage:
    """The report as an e-mail in plain text. It has no phone numbers and no texts."""
    message = EmailMessage()
    accepted = sum(summary.attempts.get(result, 0) for result in TAKEN)
    message["Subject"] = f"Gonets on {day.day}: {accepted:,} messages accepted"
    message["From"] = settings.sender
    message["To"] = settings.to
    message["Date"] = format_datetime(day.claimed_at)
    # The same for every try, so that recipients can recognise a duplicate.
    message["Message-ID"] = f"<daily-report-{day.day}@{settings.sender.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies
    message.set_content("\n".join(_lines(day, summary, settings)))
    return message


def _summary(cursor: Cursor, day: Day) -> Summary:
    window = {"begins": day.begins, "ends": day.ends, "limit": MAILINGS_SHOWN}
    cursor.execute(COUNT_ATTEMPTS, window)
    attempts = dict(cursor.fetchall())
    cursor.execute(COUNT_BY_GATEWAY, window | {"taken": sorted(TAKEN)})
    gateways = [GatewayLine(*row) for row in cursor.fetchall()]
    cursor.execute(COUNT_DELIVERIES, window)
    deliveries = dict(cursor.fetchall())
    cursor.execute(LIST_MAILINGS, window)
    return Summary(attempts, [MailingLine(*row) for row in cursor.fetchall()], gateways, deliveries)


def _lines(day: Day, summary: Summary, settings: MailSettings) -> list[str]:
    to = "gateways" if len(summary.gateways) > 1 else "the gateway"
    lines = [f"Gonets on {day.day} ({settings.timezone})", "", f"Requests to {to}, by result"]
    lines += [f"  {result.value:<14}{summary.attempts.get(result, 0):>12,}" for result in Result]
    lines += ["", "Messages sent on that day, by delivery so far"]
    lines += [f"  {one.value.replace('_', ' '):<14}{summary.deliveries.get(one, 0):>12,}" for one in Delivery]
    if len(summary.gateways) > 1 or any(one.price is not None for one in summary.gateways):
        lines += ["", "Gateways: messages accepted, of requests", *map(_gateway_line, summary.gateways)]
    lines += ["", "Mailings that were running on that day, and their messages so far"]
    for mailing in summary.mailings:
        lines.append(f"  {mailing.id}, {mailing.mark}: {mailing.status}, audience {mailing.audience:,}")
        counts = ((status.value, mailing.messages.get(status, 0)) for status in MessageStatus)
        lines.append("    " + ", ".join(f"{count:,} {status}" for status, count in counts if count))
    if not summary.mailings:
        lines.append("  none")
    elif (more := summary.mailings[0].of - len(summary.mailings)) > 0:
        lines.append(f"  and {more:,} smaller ones")
    return lines


def _gateway_line(one: GatewayLine) -> str:
    line = f"  {one.gateway}: {one.accepted:,} of {one.requests:,}"
    if one.segments is not None:
        line += f", {one.segments:,} segments"
    if one.price is not None:
        line += f", {one.price.normalize():,f} {one.currency or ''}".rstrip()
    return line


def _send(message: EmailMessage, settings: MailSettings) -> int:
    """Submits the e-mail. Returns how many recipients were refused; raises SMTPRecipientsRefused if all were."""
    tls = ssl.create_default_context()
    if settings.security == "tls":
        server: smtplib.SMTP = smtplib.SMTP_SSL(settings.host, settings.port, timeout=SMTP_TIMEOUT, context=tls)
    else:
        server = smtplib.SMTP(settings.host, settings.port, timeout=SMTP_TIMEOUT)
    with server:
        if settings.security == "starttls":
            server.starttls(context=tls)
        if settings.user and settings.password:
            server.login(settings.user, settings.password)
        return len(server.send_message(message))
