"""What the API is compared with: flask-smorest as its documentation shows it, one query a call, nothing else.

No ETags, no idempotency, no rules, no counts of messages, one statement where the API has to lock and check.
"""

# mypy: disable-error-code="untyped-decorator"
from __future__ import annotations

import os
from typing import Any

import flask_smorest
import marshmallow as ma
from flask import Flask
from flask.views import MethodView
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select

from api.database_url import database_url
from shared.schema import Base, Client, Mailing


class BareClient(ma.Schema):
    """A client with marshmallow's own fields."""

    id = ma.fields.Integer(dump_only=True)
    phone_number = ma.fields.Integer(required=True)
    operator_code = ma.fields.String(required=True)
    tag = ma.fields.String(required=True)
    timezone = ma.fields.String(required=True)
    created_at = ma.fields.DateTime(dump_only=True)
    updated_at = ma.fields.DateTime(dump_only=True)


class BareMailing(ma.Schema):
    """A mailing's own columns."""

    id = ma.fields.Integer()
    mark = ma.fields.String()
    start_datetime = ma.fields.DateTime()
    end_datetime = ma.fields.DateTime()
    status = ma.fields.String()
    on_unknown = ma.fields.String()
    audience = ma.fields.Integer()
    launched_at = ma.fields.DateTime()
    ended_at = ma.fields.DateTime()
    created_at = ma.fields.DateTime()
    updated_at = ma.fields.DateTime()


def from_environment() -> Flask:
    """The application on the database that DATABASE_URL names, for a server that loads it."""
    return create_bare(os.environ["DATABASE_URL"])


def create_bare(url: str) -> Flask:
    """The application."""
    app = Flask(__name__)
    app.config.from_mapping(
        API_TITLE="Bare", API_VERSION="1", OPENAPI_VERSION="3.0.3", SQLALCHEMY_DATABASE_URI=database_url(url)
    )
    db = SQLAlchemy(app, model_class=Base)
    smorest: Any = flask_smorest  # which has no annotations
    api = smorest.Api(app)
    blp = smorest.Blueprint("bare", __name__, url_prefix="/v1")

    @blp.route("/client/create/")
    class NewClient(MethodView):
        @blp.arguments(BareClient)
        @blp.response(201, BareClient)
        def post(self, fields: dict[str, Any]) -> Client:
            client = Client(**fields)
            db.session.add(client)
            db.session.commit()
            return client

    @blp.route("/client/<int:client_id>/")
    class ClientById(MethodView):
        @blp.response(200, BareClient)
        def get(self, client_id: int) -> Client:
            return db.get_or_404(Client, client_id)

        @blp.arguments(BareClient)
        @blp.response(200, BareClient)
        def put(self, fields: dict[str, Any], client_id: int) -> Client:
            client = db.get_or_404(Client, client_id)
            for name, value in fields.items():
                setattr(client, name, value)
            db.session.commit()
            return client

    @blp.route("/mailing/")
    class Mailings(MethodView):
        @blp.response(200, BareMailing(many=True))
        def get(self) -> Any:
            return db.session.scalars(select(Mailing).order_by(Mailing.id).limit(100)).all()

    @blp.route("/mailing/<int:mailing_id>/")
    class MailingById(MethodView):
        @blp.response(200, BareMailing)
        def get(self, mailing_id: int) -> Mailing:
            return db.get_or_404(Mailing, mailing_id)

    api.register_blueprint(blp)
    return app
