"""The console: web pages from which an operator runs mailings. Server-rendered; scripts only make them livelier.

It calls the same rules and queries as the API, never the API over HTTP. Who comes to it, and who may do what, the gate
has decided before (api/auth): pages offer what `may` allows, and each form carries `csrf_token()`.
"""

from __future__ import annotations

from flask import Flask

from api.console import (
    assets,
    clients,
    dashboard,
    drafts,
    exports,
    history,
    imports,
    mailing_action_views,
    mailing_form,
    mailings,
    messages,
)
from api.console.blueprint import blp
from api.console.errors import register_error_pages
from api.console.preferences import register_preferences
from api.console.template_filters import register_template_filters

__all__ = [
    "assets",
    "clients",
    "dashboard",
    "drafts",
    "exports",
    "history",
    "imports",
    "mailing_action_views",
    "mailing_form",
    "mailings",
    "messages",
    "register_console",
]


def register_console(app: Flask) -> None:
    """Serves the console at `/`. To be called after the error handlers of the API, of which it takes the pages'."""
    register_preferences(app)
    register_template_filters(app)
    register_error_pages(app)
    app.register_blueprint(blp)
