"""The part of a run that is about rules: kinds and local windows of mailings, suppressions and their end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from shared.domain.local_windows import MINUTES_OF_DAY, format_time_of_day
from tests.chaos.api_users import ApiUsers
from tests.chaos.facts import Call

ZONES = ("Europe/Moscow", "Pacific/Auckland", "Pacific/Honolulu", "Asia/Kathmandu", "America/St_Johns")
"""Of the clients. Any two of them differ by an hour at least, whatever the date."""
NO_ZONE = "Nowhere/Unknown"
"""A time zone that nobody knows, as clients of earlier versions may have one."""

SOON = 10.0
"""Seconds until a full minute for which a run can wait."""


def rules_of(random: Random, now: float) -> dict[str, Any]:
    """The rules of a new mailing: mostly none. A local window is open in the zone that it is chosen for, has closed,
    closes with this minute, or opens with the next one, if that is soon.
    """
    rules: dict[str, Any] = {
        "kind": random.choice(("service", "marketing")),
        "over_cap": random.choice(("wait", "cancel")),
    }
    which = random.choice((None,) * 6 + ("open", "open", "closes", "opens", "opens", "closed"))
    zone = random.choice(ZONES)
    default = random.choice((None, *ZONES))
    if which is None:
        return rules
    local = datetime.fromtimestamp(now, ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    if which == "opens" and 60 - local.second > SOON:
        which = "open"
    opens, closes = {
        "open": (minute - 10, minute + 10),
        "closes": (minute - 10, minute + 1),
        "opens": (minute + 1, minute + 10),
        "closed": (minute - 10, minute - 5),
    }[which]
    opens, closes = max(opens, 0), min(closes, MINUTES_OF_DAY)
    if opens < closes:
        rules |= {
            "local_from": format_time_of_day(opens),
            "local_until": format_time_of_day(closes),
            "default_timezone": default,
        }
    return rules


class RuleUsers:
    """Records suppressions and lifts them."""

    def __init__(self, users: ApiUsers, phone_numbers: Sequence[int]) -> None:
        """`phone_numbers`: those of the clients that a run begins with."""
        self._users = users
        self._phone_numbers = phone_numbers
        self._recorded: list[int] = []

    def actions(self) -> list[tuple[float, Callable[[Random], None]]]:
        """What may happen, and how often against other calls."""
        return [(12, self.suppress), (6, self.lift)]

    def suppress(self, random: Random) -> None:
        """Records suppressions of some clients, for everything, for marketing or for one gateway."""
        for phone_number in random.sample(self._phone_numbers, 4):
            self._suppress(phone_number, random)

    def lift(self, random: Random) -> None:
        """Lifts one that this run has recorded."""
        if self._recorded:
            recorded = self._recorded.pop(random.randrange(len(self._recorded)))
            body = {"evidence": {"at": str(time.time())}}
            self._users.call("POST", f"/v1/suppression/{recorded}/lift/", body)

    def _suppress(self, phone_number: int, random: Random) -> None:
        scope = random.choice(("everything", "marketing", "gateway"))
        body = {
            "phone_number": phone_number,
            "scope": scope,
            "gateway": random.choice(("default", "reporting")) if scope == "gateway" else None,
            "reason": "opted_out",
            "evidence": {"at": str(time.time())},
        }
        self._users.call("POST", "/v1/suppression/create/", body, self._remember)

    def _remember(self, call: Call) -> None:
        if call.status == 201:
            self._recorded.append(call.said["id"])
