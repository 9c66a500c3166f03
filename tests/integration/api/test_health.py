"""Whether it is alive, and whether it can serve."""

from __future__ import annotations

from tests.integration.api.calls import Caller


def test_it_is_alive(api: Caller) -> None:
    assert api.get("/healthz").json == {"status": "alive"}


def test_it_is_ready_when_the_database_answers(api: Caller) -> None:
    assert api.get("/readyz").json == {"status": "ready"}
