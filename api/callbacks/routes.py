"""The addresses of callbacks as views: for Flask's own servers and clients, and for the list of routes.

gunicorn's processes answer them in front of Flask (asgi_route.py), by the same Receiver.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import cached_property

import psycopg2
from flask import Blueprint, Flask, Response, current_app, request
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy.dialects.postgresql.psycopg2 import dialect
from werkzeug.exceptions import RequestEntityTooLarge

from api.callbacks.answers import METHODS
from api.callbacks.callable_gateways import CallableGateways
from api.callbacks.group_commit import GroupCommit
from api.callbacks.receiver import MAX_BODY, BodyTooLargeError, Call, Receiver
from api.permissions import public
from api.settings import ApiSettings
from shared.gateways.callback_addresses import INBOUND, RECEIPTS
from shared.opt_out_url import opt_out_address

blp = Blueprint("callbacks", __name__)


class Callbacks:
    """The receivers of an application: one for gunicorn's event loop, and one for views, with a loop in a thread."""

    def __init__(self, app: Flask, settings: ApiSettings) -> None:
        self._settings = settings
        self._config = app.config

    @cached_property
    def of_server(self) -> Receiver:
        """For the event loop of the server."""
        return self._make()

    @cached_property
    def of_views(self) -> tuple[Receiver, asyncio.AbstractEventLoop]:
        """For threads. Its event loop runs until the process ends."""
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, name="callbacks", daemon=True).start()
        return self._make(), loop

    def forget_gateways(self) -> None:
        """Lets changes of gateways apply at once in this process; in others they do after seconds."""
        for made in ("of_server", "of_views"):
            if found := self.__dict__.get(made):
                (found if isinstance(found, Receiver) else found[0]).forget_gateways()

    def _make(self) -> Receiver:
        settings = self._settings
        commits = GroupCommit(self._connector())
        gateways = CallableGateways(commits, settings.cipher, settings.public_url)
        return Receiver(
            gateways,
            commits,
            public_url=settings.public_url,
            rate=settings.anonymous_rate,
            trusted_proxies=settings.trusted_proxies,
            opt_out=opt_out_address(settings.opt_out_url, settings.public_url),
        )

    def _connector(self) -> Callable[[], Connection]:
        """What opens a connection as those of requests are, in autocommit: a group is one statement."""
        arguments, parameters = dialect().create_connect_args(self._settings.database_url)
        parameters |= self._config["SQLALCHEMY_ENGINE_OPTIONS"]["connect_args"]

        def connect() -> Connection:
            connection: Connection = psycopg2.connect(*arguments, **parameters)
            connection.autocommit = True
            return connection

        return connect


def register_callbacks(app: Flask, settings: ApiSettings) -> None:
    """Registers the views, and what receives callbacks as `app.extensions["callbacks"]`."""
    app.extensions["callbacks"] = Callbacks(app, settings)
    app.register_blueprint(blp)


@blp.route(f"/v1/{RECEIPTS}/<path:address>", methods=METHODS, provide_automatic_options=False)
@public
def receipt(address: str) -> Response:
    """A provider reports deliveries."""
    return _received()


@blp.route(f"/v1/{INBOUND}/<path:address>", methods=METHODS, provide_automatic_options=False)
@public
def inbound(address: str) -> Response:
    """A provider forwards messages of recipients."""
    return _received()


def _received() -> Response:
    receiver, loop = current_app.extensions["callbacks"].of_views
    request.max_content_length = MAX_BODY
    try:
        body = request.get_data()
    except RequestEntityTooLarge:
        body = None

    async def read_body() -> bytes:
        if body is None:
            raise BodyTooLargeError
        return body

    # As it was written; servers have it under one of these names.
    written = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI", "")
    path, _, query = written.partition("?")
    call = Call(
        method=request.method,
        path=path,
        query=query,
        headers={name.lower(): value for name, value in request.headers.items()},
        address=request.environ["REMOTE_ADDR"],
        scheme=request.scheme,
    )
    answer = asyncio.run_coroutine_threadsafe(receiver.receive(call, read_body), loop).result()
    return Response(answer.body, answer.status, answer.headers, content_type=answer.content_type)
