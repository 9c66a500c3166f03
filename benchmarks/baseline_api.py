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
from sqlalchemy import Table, select


class Row(ma.Schema):
    """What the database fills in itself."""

    id = ma.fields.Integer(dump_only=True)
    created_at = ma.fields.DateTime(dump_only=True)
    updated_at = ma.fields.DateTime(dump_only=True)


class Client(Row):
    """A client with marshmallow's own fields."""

    phone_number = ma.fields.Integer(required=True)
    operator_code = ma.fields.String(required=True)
    tag = ma.fields.String(required=True)
    timezone = ma.fields.String(required=True)


class Mailing(Row):
    """A mailing's own columns."""

    mark = ma.fields.String()
    start_datetime = ma.fields.DateTime()
    end_datetime = ma.fields.DateTime()
    status = ma.fields.String()
    audience = ma.fields.Integer()


def _model(db: SQLAlchemy, table: str) -> Any:
    """A class whose attributes are the columns of a table."""
    columns = Table(table, db.metadata, autoload_with=db.engine, resolve_fks=False)
    return type(table, (db.Model,), {"__table__": columns})


def create_app() -> Flask:
    """The application on the tables of the database that DATABASE_URL names."""
    app = Flask(__name__)
    url = os.environ["DATABASE_URL"].replace("postgresql:", "postgresql+psycopg2:", 1)
    app.config.update(API_TITLE="Bare", API_VERSION="1", OPENAPI_VERSION="3.0.3", SQLALCHEMY_DATABASE_URI=url)
    db = SQLAlchemy(app)
    smorest: Any = flask_smorest  # which has no annotations
    with app.app_context():
        client: Any = _model(db, "client")
        mailing: Any = _model(db, "mailing")
    api, blp = smorest.Api(app), smorest.Blueprint("bare", __name__, url_prefix="/v1")

    @blp.route("/client/create/")
    class NewClient(MethodView):
        @blp.arguments(Client)
        @blp.response(201, Client)
        def post(self, fields: dict[str, Any]) -> Any:
            added = client(**fields)
            db.session.add(added)
            db.session.commit()
            return added

    @blp.route("/client/<int:client_id>/")
    class ClientById(MethodView):
        @blp.response(200, Client)
        def get(self, client_id: int) -> Any:
            return db.get_or_404(client, client_id)

        @blp.arguments(Client)
        @blp.response(200, Client)
        def put(self, fields: dict[str, Any], client_id: int) -> Any:
            changed = db.get_or_404(client, client_id)
            for name, value in fields.items():
                setattr(changed, name, value)
            db.session.commit()
            return changed

    @blp.route("/mailing/")
    class Mailings(MethodView):
        @blp.response(200, Mailing(many=True))
        def get(self) -> Any:
            return db.session.scalars(select(mailing).order_by(mailing.id).limit(100)).all()

    @blp.route("/mailing/<int:mailing_id>/")
    class MailingById(MethodView):
        @blp.response(200, Mailing)
        def get(self, mailing_id: int) -> Any:
            return db.get_or_404(mailing, mailing_id)

    api.register_blueprint(blp)
    return app
