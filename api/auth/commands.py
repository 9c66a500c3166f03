"""Keys from the command line: `flask --app api key …`."""

from __future__ import annotations

import getpass
import os
from datetime import datetime, timedelta

import click
import marshmallow as ma
from flask.cli import AppGroup
from sqlalchemy import func, select

from api.audit.recorder import add_entry
from api.auth import queries, services
from api.auth.schemas import KeyBody
from api.extensions import db
from api.principal import SYSTEM, Principal
from shared.domain.roles import Role
from shared.errors import NotFound

key = AppGroup("key", help="Creates, lists and revokes API keys.")


@key.command("create")
@click.argument("name")
@click.option(
    "--role", type=click.Choice([role.value for role in Role]), default=Role.OPERATOR.value, show_default=True
)
@click.option("--days", type=click.IntRange(1, 36500), help="Let it expire after so many days.")
def create(name: str, role: str, days: int | None) -> None:
    """Creates a key called NAME and prints it. It is shown only once."""
    expires_at = db.session.scalars(select(func.now() + timedelta(days=days))).one() if days else None
    try:
        fields = KeyBody().load({"name": name, "role": role}) | {"expires_at": expires_at}
    except ma.ValidationError as error:
        raise click.ClickException(f"NAME: {error}") from error
    principal = current_os_principal()
    added, new = services.add_key(fields, created_by=principal.actor)
    add_entry("createKey", principal, what=("key", added.id))
    db.session.commit()
    click.echo(new.key)


@key.command("list")
def list_keys() -> None:
    """Lists the keys, revoked ones too."""
    after = 0
    while keys := queries.keys_after(after, 1000):
        for row in keys:
            state = "revoked" if row.revoked_at else f"until {_to_the_minute(row.expires_at)}" if row.expires_at else ""
            used = f"last used {_to_the_minute(row.last_used_at)}" if row.last_used_at else "never used"
            columns = (str(row.id), f"gonets_{row.prefix}_…", row.role.value, row.name, used, state)
            click.echo("\t".join(columns).rstrip())
        after = keys[-1].id


@key.command("revoke")
@click.argument("key_id", type=click.IntRange(1))
def revoke(key_id: int) -> None:
    """Revokes a key permanently; it is refused everywhere within 5 seconds."""
    try:
        revoked, changed = services.revoke_key(key_id)
    except NotFound as error:
        raise click.ClickException(str(error)) from error
    if changed:
        add_entry("revokeKey", current_os_principal(), what=("key", key_id))
    db.session.commit()
    click.echo(f"Revoked: gonets_{revoked.prefix}_… ({revoked.name}).")


def current_os_principal() -> Principal:
    """The operating system's user that runs the command, as an admin: it has access to the database."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user has no name
        user = str(os.getuid())
    return Principal(SYSTEM + user, user, Role.ADMIN)


def _to_the_minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
