"""Every route declares the role that is listed for it, and a view that declares none is refused for everybody."""

from __future__ import annotations

import pytest
from flask import Flask

from api.app import create_app
from api.database_url import database_url
from api.permissions import Access, access_to
from api.settings import ApiSettings
from tests.database import ROOT
from tests.route_roles import ROUTES, listed_path

API_KEY = "a-key-of-twenty-chars"


@pytest.fixture
def app() -> Flask:
    """The application. Nothing here asks its database anything."""
    return create_app(ApiSettings(database_url=database_url("postgresql://nobody@127.0.0.1:1/none"), api_key=API_KEY))


def test_every_route_declares_the_role_that_is_listed(app: Flask) -> None:
    lines = {
        f"{method:<6} {listed_path(rule):<44} {access_to(app, rule.endpoint, method).value}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    assert sorted(lines, key=lambda line: (line.split()[1], line)) == ROUTES.splitlines()


def test_the_documentation_lists_the_same_routes() -> None:
    assert ROUTES in (ROOT / "docs" / "access.md").read_text()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_view_that_declares_no_role_is_refused_for_everybody(app: Flask, method: str) -> None:
    app.add_url_rule("/v1/forgotten/", "forgotten", lambda: "a response", methods=["GET", "POST"])
    assert access_to(app, "forgotten", method) is Access.UNDECLARED
    as_admin = {"Authorization": f"Bearer {API_KEY}"}
    refused = app.test_client().open("/v1/forgotten/", method=method, headers=as_admin)
    assert refused.status_code == 403
    assert "declares no role" in refused.get_json()["message"]
    assert app.test_client().open("/v1/forgotten/", method=method).status_code == 401
