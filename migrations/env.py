"""Runs the migrations inside the Flask application that flask-migrate hands over."""

from __future__ import annotations

from alembic import context
from flask import current_app
from sqlalchemy import Connection, text

# Any number, the same for everybody: whoever migrates at the same time waits here for the first to be done.
MIGRATION_LOCK = 7_092_026


def migrate(connection: Connection) -> None:
    migrate_extension = current_app.extensions["migrate"]
    context.configure(
        connection=connection,
        target_metadata=migrate_extension.db.metadata,
        **migrate_extension.configure_args,
    )
    with context.begin_transaction():
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        # A migration may take as long as its data needs, whatever the limit for requests is.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("These migrations look at the database they upgrade: run them online, against DATABASE_URL.")

with current_app.extensions["migrate"].db.engine.connect() as database:
    migrate(database)
