"""What the rules of a mailing mean for its audience: when local windows open, who is suppressed, who did not consent.

Counted over the whole audience, by one statement each, and only what concerns the mailing. What takes too long is not
known: None.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flask import current_app

from api.bounded_reads import ReadTimeout, bounded_reads
from api.database import execute
from api.mailings.audience_rows import AudienceRows
from shared.domain.estimates import window_warnings
from shared.domain.mailing_rules import TIME_RULES, MailingWarning
from shared.domain.statuses import MailingKind
from shared.sql.consents import is_consenting
from shared.sql.suppressions import ANY_IN_FORCE, is_suppressed

SHOWN_ZONES = 50
"""Time zones that are listed, those with most clients."""

_ZONES = """
WITH counted AS MATERIALIZED (
    SELECT timezone, is_timezone(timezone) AS is_known, clients
    FROM (SELECT timezone, count(*) AS clients FROM ({clients}) AS audience GROUP BY timezone) AS by_zone
)
SELECT timezone, is_known, clients, next_permitted(
        %(rule_after)s, %(rule_before)s, CASE WHEN is_known THEN timezone ELSE %(rule_default_timezone)s END,
        %(rule_local_from)s, %(rule_local_until)s, %(rule_local_weekdays)s,
        ARRAY(SELECT day FROM holiday WHERE calendar_id = %(rule_holiday_calendar_id)s)) AS opens_at
FROM counted
ORDER BY clients DESC, timezone
"""

_SUPPRESSED = f"""
SELECT count(*) FROM ({{clients}}) AS audience WHERE {is_suppressed("audience.phone_number", "%(rule_kind)s")}
"""  # noqa: S608  put together of constants

_WITHOUT_CONSENT = f"""
SELECT count(*) FROM ({{clients}}) AS audience WHERE NOT {is_consenting("audience.phone_number")}
"""  # noqa: S608  put together of constants


class ZoneOpening(NamedTuple):
    """The clients of an audience in one time zone."""

    timezone: str
    clients: int
    opens_at: datetime | None
    """When their local window opens first; None if not before the end."""


class LocalTimes(NamedTuple):
    """The local window of a mailing in the time zones of its audience."""

    zones: Sequence[ZoneOpening]
    """Known ones, SHOWN_ZONES at most."""
    last_at: datetime | None
    """When it opens for those for whom it opens last."""
    no_time: int
    """Clients for whom it does not open before the end."""
    unknown_timezone: int
    """Clients whose time zone is not known."""
    default_timezone: str | None
    """The one that counts for these; None: they get no message."""

    @property
    def warnings(self) -> list[MailingWarning]:
        """What the author should check."""
        return window_warnings(
            no_time=self.no_time, unknown=0 if self.default_timezone is not None else self.unknown_timezone
        )


class RuleEffects(NamedTuple):
    """What the rules mean for an audience; None for what does not concern it, or takes too long to count."""

    local_times: LocalTimes | None = None
    suppressed: int | None = None
    """Clients whose numbers must not get it."""
    without_consent: int | None = None
    """Clients without a consent, if it requires one."""


def rule_effects(fields: Mapping[str, Any], clients: AudienceRows, start: datetime, seconds: float) -> RuleEffects:
    """The effects for the clients of an audience, from `start` on. Each statement may take so many seconds."""
    counting = _Counting(fields, clients, start, min(seconds, current_app.config["SEGMENT_TIMEOUT"]))
    end = fields.get("end_datetime")
    return RuleEffects(
        counting.local_times() if fields.get("local_from") is not None and end and end > start else None,
        counting.suppressed(),
        counting.without_consent() if fields.get("requires_consent") else None,
    )


class _Counting:
    """The statements about one audience."""

    def __init__(self, fields: Mapping[str, Any], clients: AudienceRows, start: datetime, seconds: float) -> None:
        self._fields, self._clients, self._seconds = fields, clients, seconds
        self._parameters = {
            **clients.parameters,
            **{f"rule_{name}": fields.get(name) for name in TIME_RULES},
            "rule_kind": fields.get("kind", MailingKind.MARKETING).value,
            "rule_after": start,
            "rule_before": fields.get("end_datetime"),
        }

    def local_times(self) -> LocalTimes | None:
        """When the local window opens."""
        found = self._rows(_ZONES, "client.timezone")
        if found is None:
            return None
        default = self._fields.get("default_timezone")
        reached = [row for row in found if row.is_known or default is not None]
        opening = [row.opens_at for row in reached if row.opens_at is not None]
        return LocalTimes(
            zones=[ZoneOpening(row.timezone, row.clients, row.opens_at) for row in found if row.is_known][:SHOWN_ZONES],
            last_at=max(opening, default=None),
            no_time=sum(row.clients for row in reached if row.opens_at is None),
            unknown_timezone=sum(row.clients for row in found if not row.is_known),
            default_timezone=default,
        )

    def suppressed(self) -> int | None:
        """The suppressed clients."""
        if not execute(f"SELECT {ANY_IN_FORCE}", {}).scalar_one():
            return 0
        return self._count(_SUPPRESSED)

    def without_consent(self) -> int | None:
        """The clients without consent."""
        return self._count(_WITHOUT_CONSENT)

    def _count(self, statement: str) -> int | None:
        found = self._rows(statement, "client.phone_number")
        return None if found is None else int(found[0][0])

    def _rows(self, statement: str, column: str) -> Sequence[Any] | None:
        try:
            with bounded_reads(self._seconds):
                return execute(statement.format(clients=self._clients.select(column)), self._parameters).all()
        except ReadTimeout:
            return None
