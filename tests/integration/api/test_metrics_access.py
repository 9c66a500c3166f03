"""Who may read /metrics."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import pytest
from flask import Flask

from api import create_app
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from shared.domain.roles import Role
from tests.integration.api.calls import API_KEY, caller

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.1"


@cache
def application(url: str, metrics: str, proxies: int = 0) -> Flask:
    """An application with these settings, made once: a new one takes longer than a test."""
    return create_app(
        ApiSettings(database_url=parse_database_url(url), metrics=metrics, api_key=API_KEY, trusted_proxies=proxies)
    )


def status(
    url: str,
    address: str,
    metrics: str = "loopback",
    key: str | None = None,
    proxies: int = 0,
    headers: Mapping[str, str] | None = None,
) -> int:
    asked = caller(application(url, metrics, proxies), key)
    return asked.get("/metrics", environ_base={"REMOTE_ADDR": address}, headers=dict(headers or {})).status_code


@pytest.mark.parametrize(
    ("metrics", "address", "expected"),
    [
        ("loopback", HERE, 200),
        ("loopback", "::1", 200),
        ("loopback", "::ffff:127.0.0.1", 200),
        ("loopback", ELSEWHERE, 401),
        ("key", HERE, 401),
        ("key", ELSEWHERE, 401),
        ("open", HERE, 200),
        ("open", ELSEWHERE, 200),
    ],
)
def test_metrics_are_closed_unless_they_are_asked_for_from_here(
    clean_database: str, metrics: str, address: str, expected: int
) -> None:
    assert status(clean_database, address, metrics) == expected


@pytest.mark.parametrize("metrics", ["loopback", "key", "open"])
def test_a_key_gives_access_to_metrics_from_everywhere(clean_database: str, metrics: str) -> None:
    assert status(clean_database, ELSEWHERE, metrics, API_KEY) == 200


def test_a_viewers_key_will_do(clean_database: str) -> None:
    app = application(clean_database, "key")
    made = caller(app).post("/v1/key/create/", json={"name": "Prometheus", "role": Role.VIEWER.value})
    assert caller(app, made.json["key"]).get("/metrics").status_code == 200


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "Via", "X-Real-Ip"])
def test_what_a_proxy_passes_on_does_not_come_from_here(clean_database: str, header: str) -> None:
    assert status(clean_database, HERE, headers={header: "192.0.2.1"}) == 401


@pytest.mark.parametrize(("told", "expected"), [("192.0.2.1", 401), ("127.0.0.1", 200), ("127.0.0.1, 192.0.2.1", 401)])
def test_behind_a_proxy_that_is_trusted_the_callers_address_counts(
    clean_database: str, told: str, expected: int
) -> None:
    assert status(clean_database, HERE, proxies=1, headers={"X-Forwarded-For": told}) == expected
