"""Commands for who operates Gonets: `flask --app api ledger …`."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from api.audit.recorder import add_entry
from api.auth.commands import current_os_principal
from api.extensions import db
from api.mailings.services import reopen_unended
from api.recovery import restore

SKIP = 100_000_000
"""Ids left out after a restore: more than were given out since any backup worth restoring, and of 2**63 a trifle."""

ledger = AppGroup("ledger", help="Keeps the ledger true.")


@ledger.command("after-restore")
@click.option(
    "--skip",
    type=click.IntRange(1, 10**15),
    default=SKIP,
    show_default=True,
    help="How many ids to leave out: more than were given out since the backup.",
)
def after_restore(skip: int) -> None:
    """Makes a database that was restored from a backup safe to go on with.

    Run it before API and workers start. Ids that were given out since the backup are not given out again, mailings
    that were under way are paused, and messages that may have been sent since are marked. Running it again changes
    nothing that it has done, and advances the ids only if they have come nearer than --skip to the last one in use.
    """
    restore.disable_statement_timeout()
    skipped = restore.advance_sequences(skip)
    paused_now = restore.pause_mailings()
    changed = restore.mark_possibly_sent()
    paused, in_doubt, held = restore.paused_mailings(), restore.messages_in_doubt(), restore.messages_held()
    ids = {table: one.last for table, one in skipped.items() if one.moved}
    if ids or paused_now or changed:
        detail = {"ids_above": ids, "paused_mailings": len(paused_now), "in_doubt": in_doubt, "held": held}
        add_entry("afterRestore", current_os_principal(), detail=detail)
    db.session.commit()
    for table, one in skipped.items():
        click.echo(f"The next {table} gets an id above {one.last}.")
    click.echo(f"Paused, for you to decide: {', '.join(f'mailing {mailing_id}' for mailing_id in paused) or 'none'}.")
    click.echo(f"Messages that wait, and may have been sent after the backup: {in_doubt}.")
    click.echo(f"Messages that ended as unknown, because their mailing holds when in doubt: {held}.")


@ledger.command("reopen")
def reopen() -> None:
    """Opens mailings again that have ended although messages of theirs have not.

    A sound ledger has none of them, and this changes nothing. Workers send what their windows still allow, and end the
    rest; the messages of a mailing that is cancelled or removed are cancelled.
    """
    restore.disable_statement_timeout()
    reopened = reopen_unended()
    if reopened:
        add_entry("reopenMailings", current_os_principal(), detail={"mailings": reopened})
    db.session.commit()
    click.echo(f"Open again: {', '.join(f'mailing {mailing_id}' for mailing_id in reopened) or 'none'}.")
