"""The console: web pages with which an operator runs mailings. Server-rendered; scripts are optional.

It calls the same rules and queries as the API, not the API over HTTP. api/auth checks authentication and roles before:
pages show what `may` allows, and each form has a `csrf_token()`.
"""

from __future__ import annotations

from flask import Flask

from api.console import (  # noqa: F401  on import, each registers its pages
    assets,
    client_fields,
    clients,
    condition_view,
    consents,
    dashboard,
    drafts,
    exports,
    gateways,
    history,
    holiday_calendars,
    imports,
    inbox,
    mailing_action_views,
    mailing_form,
    mailings,
    message_routes,
    messages,
    number_lists,
    numbers,
    orphan_receipts,
    planned,
    record_imports,
    saved_templates,
    segments,
    sending_rules,
    suppressions,
    template_texts,
)
from api.console.blueprint import blp
from api.console.errors import register_error_pages
from api.console.preferences import register_preferences
from api.console.template_filters import register_template_filters


def register_console(app: Flask) -> None:
    """Serves the console at `/`. Call it after registering the API's error handlers, which it wraps for pages."""
    register_preferences(app)
    register_template_filters(app)
    register_error_pages(app)
    app.register_blueprint(blp)
