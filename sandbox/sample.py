"""A directory to look at and a mailing to watch, added through the API as anybody would add theirs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.api_client import ApiClient

SIZE = 1000
"""Clients."""

OPERATOR_CODE = "900"
"""All of them have it: it is the mark of the mailing."""

TAGS = ("new", "regular", "regular", "vip", "regular", "new", "regular", "test", "regular", "regular")
TIME_ZONES = (
    "Europe/Moscow",
    "Europe/Moscow",
    "Europe/Moscow",
    "Asia/Yekaterinburg",
    "Europe/Samara",
    "Asia/Novosibirsk",
    "Europe/Kaliningrad",
    "Asia/Irkutsk",
    "Asia/Vladivostok",
    "Europe/Moscow",
    "Asia/Krasnoyarsk",
)
WINDOW = timedelta(hours=1)


def add_clients(api: ApiClient) -> None:
    """Adds the clients in one import."""
    api.post_lines("/v1/client/import/", sample_clients())


def add_mailing(api: ApiClient, now: datetime) -> int:
    """Adds the mailing to all of them, starting `now`; returns its id."""
    mailing: dict[str, Any] = api.post("/v1/mailing/create/", sample_mailing(now))
    return int(mailing["id"])


def sample_clients() -> Iterator[dict[str, Any]]:
    """The clients: +7 900 000-00-00 and on, a tag and a Russian time zone each."""
    for number in range(SIZE):
        yield {
            "phone_number": int(f"7{OPERATOR_CODE}{number:07}"),
            "operator_code": OPERATOR_CODE,
            "tag": TAGS[number % len(TAGS)],
            "timezone": TIME_ZONES[number % len(TIME_ZONES)],
        }


def sample_mailing(now: datetime) -> dict[str, Any]:
    """The body of the mailing: to everybody, from now on for an hour. `now` is in UTC."""
    return {
        "start_datetime": _timestamp(now),
        "end_datetime": _timestamp(now + WINDOW),
        "text": "Гонец прибыл: это пробная рассылка, и никому она не придёт.",
        "mark": OPERATOR_CODE,
    }


def _timestamp(moment: datetime) -> str:
    """As in the specification: 2022-06-02T18:25:43.511Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
