"""The application factory: every part of the API and of the console is registered here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask
from flask.json.provider import DefaultJSONProvider
from werkzeug.middleware.proxy_fix import ProxyFix

from api import health
from api.audit import routes as audit_routes
from api.auth import routes as access_routes
from api.auth.authentication import register_authentication
from api.auth.commands import key
from api.auth.login_pages import register_sign_in
from api.auth.sessions import COOKIE_CONFIG, Cookies
from api.callbacks.routes import register_callbacks
from api.client_fields import routes as client_fields_routes
from api.clients import import_export_routes as clients_routes
from api.consents import routes as consents_routes
from api.console import register_console
from api.contract_command import check_contract
from api.docs import register_docs
from api.drafts import routes as drafts_routes
from api.extensions import db, migrate
from api.gateways import routes as gateways_routes
from api.gateways.commands import make_credentials_key, rotate_credentials
from api.holiday_calendars import routes as holiday_calendars_routes
from api.http.blueprint import Blueprint
from api.http.errors import register_error_handlers
from api.http.form_size import register_form_size
from api.http.headers import register_headers
from api.http.openapi import SPEC, RowId, rest_api, row_id_schema
from api.http.query_string import register_query_check
from api.http.request_body import Request
from api.inbound import routes as inbound_routes
from api.mailings import action_routes as mailings_routes
from api.mailings import estimate_routes, gateway_test
from api.mailings import resolution_routes as messages_routes
from api.message_routes import routes as message_routes_routes
from api.number_lists import routes as number_lists_routes
from api.numbers import routes as numbers_routes
from api.oidc_settings import ProviderSettings
from api.opt_out.routes import register_opt_out
from api.receipts import routes as receipts_routes
from api.recovery.commands import ledger, verify_ledger
from api.segments import routes as segments_routes
from api.sending_rules import routes as sending_rules_routes
from api.settings import ApiSettings
from api.statistics import routes as statistics_routes
from api.suppressions import routes as suppressions_routes
from api.templates import routes as templates_routes
from api.window_presets import routes as window_presets_routes
from shared.config import exit_if_wrong
from shared.logs import configure_logs

if TYPE_CHECKING:
    from api.auth.oidc import Provider

MIGRATIONS = Path(__file__).parent.parent / "migrations"


class JSONProvider(DefaultJSONProvider):
    """Fields in the order of their schema, Cyrillic as it is."""

    sort_keys = False
    ensure_ascii = False


class Gonets(Flask):
    """A Flask application whose paths mean the same with and without a slash at their end."""

    json_provider_class = JSONProvider
    request_class = Request
    session_interface = Cookies()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """The function itself. No view is a coroutine; Flask would look for one a dozen times in each request."""
        return func


def create_app(settings: ApiSettings | None = None) -> Flask:
    """Creates the application. Without settings, they and the log configuration come from the environment.

    Opens no connection. Without settings, an invalid environment ends the process with an error message.
    """
    if settings is None:
        with exit_if_wrong():
            settings = ApiSettings.from_environment()
        configure_logs(settings.log_level, settings.log_format)
    app = Gonets("api", static_folder=None)
    app.config.from_mapping({**SPEC, **COOKIE_CONFIG}, **settings.flask_config())
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = RowId
    db.init_app(app)
    migrate.init_app(app, db, directory=str(MIGRATIONS))
    register_headers(app)
    register_query_check(app)
    register_form_size(app)
    register_authentication(app, settings)
    rest_api.init_app(app)
    rest_api.register_converter(RowId, row_id_schema)
    for blp in _resources():
        rest_api.register_blueprint(blp)
    app.register_blueprint(health.blp)
    register_docs(app)
    register_sign_in(app, _provider(app, settings.provider))
    # Imported here: on import, prometheus_client looks for the folder that gunicorn's settings create.
    from api.metrics import register_metrics

    register_metrics(app)
    register_callbacks(app, settings)
    register_error_handlers(app)
    register_console(app)
    for command in (ledger, verify_ledger, key, make_credentials_key, rotate_credentials, check_contract):
        app.cli.add_command(command)
    with exit_if_wrong():
        register_opt_out(app, settings)
    if proxies := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, proxies, proxies, proxies, proxies)  # type: ignore[method-assign]
    return app


def _provider(app: Flask, settings: ProviderSettings | None) -> Provider | None:
    if settings is None:
        return None
    # Imported here: its dependencies are a sixth of all import time, and many installations use keys alone.
    from api.auth.oidc import Provider

    return Provider(app, settings)


def _resources() -> tuple[Blueprint, ...]:
    routes = (
        clients_routes,
        client_fields_routes,
        drafts_routes,
        mailings_routes,
        estimate_routes,
        messages_routes,
        inbound_routes,
        segments_routes,
        gateway_test,
        message_routes_routes,
        templates_routes,
        number_lists_routes,
        suppressions_routes,
        consents_routes,
        holiday_calendars_routes,
        sending_rules_routes,
        window_presets_routes,
        numbers_routes,
        statistics_routes,
        receipts_routes,
        audit_routes,
    )
    others = (gateways_routes.providers_blp, access_routes.links_blp)
    return *(resource.blp for resource in (*routes, access_routes)), *others
