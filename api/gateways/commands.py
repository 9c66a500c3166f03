"""The key that encrypts credentials: `flask --app api make-credentials-key` and `rotate-credentials`."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import with_appcontext

from api.audit.recorder import add_entry
from api.auth.commands import current_os_principal
from api.database import execute
from api.extensions import db
from api.gateways import services
from shared.credentials import UnreadableCredentialsError, make_key_file
from shared.sql.erasure import ANY_ERASED


@click.command("make-credentials-key")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def make_credentials_key(file: Path) -> None:
    """Writes a new key to FILE, for CREDENTIALS_KEY_FILE. A file that exists is left as it is."""
    try:
        made = make_key_file(file)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    click.echo(f"{file}: {'a new key' if made else 'exists, and was not changed'}.")


@click.command("rotate-credentials")
@with_appcontext
def rotate_credentials() -> None:
    """Encrypts the credentials of all gateways with the first key of CREDENTIALS_KEY.

    Every other key can be removed afterwards, unless phone numbers were erased with it: their hashes stay as they are.
    If credentials cannot be decrypted, nothing is changed.
    """
    try:
        count = services.rotate_credentials()
    except UnreadableCredentialsError as error:
        db.session.rollback()
        raise click.ClickException(str(error)) from error
    if count:
        add_entry("rotateCredentials", current_os_principal(), detail={"gateways": count})
    numbers_are_erased = execute(ANY_ERASED, {}).scalar_one()
    db.session.commit()
    click.echo(f"Gateways whose credentials are encrypted with the first key: {count}.")
    if numbers_are_erased:
        click.echo("Phone numbers were erased: keep the other keys behind the first one, to recognise them.")
