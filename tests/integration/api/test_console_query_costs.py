"""What the console's pages cost, in pages of the database that they touch: the same on the first and on the last."""

from __future__ import annotations

import pytest
from flask import Flask
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests.integration.api.test_query_costs import app, cost, ledger, ledger_url

__all__ = ["app", "ledger", "ledger_url"]

A_PAGE = 130 + 50 * 9
"""Pages of the database that a page of 50 rows may touch: mostly some tens, 40 steps to find a moment, and three steps
for the last attempt of each message."""
A_LOOK = 2000
"""For a mailing's own page: 400 steps of its timeline, and of each status the messages whose reasons are looked at."""


@pytest.mark.parametrize(
    "path",
    [
        "/clients/",
        "/clients/?from=9500",
        "/clients/?tag=even&from=9500",
        "/clients/?tag=nobody",
        "/clients/?tag=rare",
        "/clients/?tag=often&from=9500",
        "/clients/?external_id=crm-5000",
        "/clients/?operator_code=900&from=9500",
        "/clients/?phone=7900000",
        "/clients/?phone=79000009999",
        "/clients/?phone=7900&tag=nobody",
        "/clients/5000/",
        "/ledger/",
        "/ledger/?from=100",
        "/ledger/?status=sent",
        "/ledger/?status=sent&from=100",
        "/ledger/?status=failed",
        "/ledger/?status=failed&from=99995",
        "/ledger/?status=unknown",
        "/ledger/?status=pending",
        "/ledger/?status=pending&from=90100",
        "/ledger/?status=sending",
        "/ledger/?phone=79000005000",
        "/ledger/?phone=79999999999",
        "/ledger/?id=50000",
        "/ledger/?mailing=10",
        "/ledger/?mailing=10&from=90100",
        "/ledger/?mailing=10&status=failed",
        "/ledger/?mailing=1&status=pending",
        "/ledger/?mailing=10&status=sending",
        "/ledger/?mailing=123456789",
        "/ledger/?since=2026-01-01T00:00&until=2999-01-01T00:00",
        "/ledger/99999/",
        "/inbox/",
        "/inbox/?from=500&show=unread",
        "/inbox/?phone=79000000005",
        "/inbox/500/",
        "/clients/5/conversation/",
    ],
)
def test_a_page_costs_what_its_rows_do(app: Flask, ledger: Connection, path: str) -> None:
    assert cost(app, ledger, path) <= A_PAGE


@pytest.mark.parametrize(
    "path", ["/clients/?phone=900", "/clients/?phone=8900000&tag=nobody", "/ledger/?phone=9000005000"]
)
def test_a_search_without_a_country_s_code_costs_some_steps_for_each_country(
    app: Flask, ledger: Connection, path: str
) -> None:
    assert cost(app, ledger, path) <= A_LOOK


@pytest.mark.parametrize("path", ["/", "/mailings/1/", "/mailings/10/", "/mailings/11/"])
def test_figures_cost_what_they_look_at(app: Flask, ledger: Connection, path: str) -> None:
    assert cost(app, ledger, path) <= A_LOOK


@pytest.mark.parametrize("query", ["", "words=nobody", "status=running", "status=cancelled"])
def test_a_page_of_mailings_costs_what_its_rows_do(app: Flask, ledger: Connection, query: str) -> None:
    # Each has its text, its counts, and two looks for somebody whom its mark matches. The navigation counts what is
    # unread; how many pages that touches depends on whether autovacuum has been there.
    assert cost(app, ledger, f"/mailings/?from=2900&{query}") <= 50 * 15 + 50
