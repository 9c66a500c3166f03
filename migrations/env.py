"""Runs the migrations within the Flask application that flask-migrate provides."""

from __future__ import annotations

import click
import psycopg2
from alembic import context
from flask import current_app
from psycopg2 import errors
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import DBAPIError

from shared import locks
from shared.database_errors import explain
from shared.schema.base import is_modelled

OLDEST_SERVER = 15
"""The minimum major version of PostgreSQL."""

# Errors of the database. Any other error is a bug in a migration, and shows its traceback.
EXPECTED = (psycopg2.OperationalError, errors.InsufficientPrivilege, errors.ReadOnlySqlTransaction)


def migrate(connection: Connection) -> None:
    version = connection.dialect.server_version_info or (0,)
    if version < (OLDEST_SERVER,):
        raise SystemExit(f"Gonets needs PostgreSQL {OLDEST_SERVER} or newer, and this is {version[0]}.")
    migrate_extension = current_app.extensions["migrate"]
    context.configure(
        connection=connection,
        target_metadata=migrate_extension.db.metadata,
        include_name=is_modelled,
        **migrate_extension.configure_args,
    )
    with context.begin_transaction():
        # A concurrent migration waits here until the first one has finished.
        connection.execute(select(func.pg_advisory_xact_lock(*locks.MIGRATIONS)))
        if is_newer(context.get_context().get_current_heads()):
            return
        # A migration may take as long as its data needs: the statement timeout of requests does not apply.
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        context.run_migrations()


def is_newer(revisions: tuple[str, ...]) -> bool:
    """Whether the tables are those of a later version of Gonets, which are not changed.

    Revisions are numbered. Raises SystemExit for a revision of another application.
    """
    ours = {script.revision for script in context.script.walk_revisions()}
    unknown = [revision for revision in revisions if revision not in ours]
    if not unknown:
        return False
    if not (unknown[0].isdecimal() and unknown[0] > max(ours)):
        raise SystemExit(f"The database holds the tables of another application (revision {unknown[0]}).")
    click.echo(
        f"The tables are of a later version of Gonets (revision {unknown[0]}, and this version ends with {max(ours)}). "
        "They are left as they are. The version before that one runs on them; an older one does not.",
        err=True,
    )
    return True


if context.is_offline_mode():
    raise SystemExit("These migrations look at the database they upgrade: run them online, against DATABASE_URL.")

try:
    with current_app.extensions["migrate"].db.engine.connect() as database:
        migrate(database)
except DBAPIError as error:
    if not isinstance(error.orig, EXPECTED):
        raise
    raise SystemExit(f"The database can't be migrated: {explain(error)}") from None
