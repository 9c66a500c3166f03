"""Sample data: clients and a mailing, added through the API."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.api_client import ApiClient

SIZE = 1000
"""Clients."""

OPERATOR_CODE = "900"
"""Every sample client has it; it is the mailing's mark."""

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
    """Adds the mailing to all sample clients, starting `now`; returns its id."""
    mailing: dict[str, Any] = api.post("/v1/mailing/create/", sample_mailing(now))
    return int(mailing["id"])


def sample_clients() -> Iterator[dict[str, Any]]:
    """The clients: phone numbers from +7 900 000-00-00 on, each with a tag and a Russian time zone."""
    for number in range(SIZE):
        yield {
            "phone_number": int(f"7{OPERATOR_CODE}{number:07}"),
            "operator_code": OPERATOR_CODE,
            "tag": TAGS[number % len(TAGS)],
            "timezone": TIME_ZONES[number % len(TIME_ZONES)],
        }


def sample_mailing(now: datetime) -> dict[str, Any]:
    """The body of the mailing: to every sample client, with a window of one hour from `now` (UTC)."""
    return {
        "start_datetime": _timestamp(now),
        "end_datetime": _timestamp(now + WINDOW),
        "text": "Это пробная рассылка: она показывает работу сервиса и никому не доставляется.",
        "mark": OPERATOR_CODE,
    }


def _timestamp(moment: datetime) -> str:
    """The specification's format: 2022-06-02T18:25:43.511Z."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
