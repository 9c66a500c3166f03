"""Operator commands on the ledger: `flask --app api ledger …`, and `flask --app api verify`."""

from __future__ import annotations

import click
from flask.cli import AppGroup, with_appcontext

from api.audit.recorder import add_entry
from api.auth.commands import current_os_principal
from api.extensions import db
from api.mailings.services import reopen_unfinished
from api.recovery import restore, verify

SKIP = 100_000_000
"""Ids skipped after a restore: more than were assigned since any backup worth restoring, and few beside 2**63."""

ledger = AppGroup("ledger", help="Repairs the ledger.")


@ledger.command("after-restore")
@click.option(
    "--skip",
    type=click.IntRange(1, 10**15),
    default=SKIP,
    show_default=True,
    help="How many ids to skip: more than were assigned since the backup.",
)
def after_restore(skip: int) -> None:
    """Prepares a database that was restored from a backup for use.

    Run it before API and workers start. Ids that were assigned since the backup are not assigned again, mailings that
    are running or due are paused, and messages that may have been sent since are marked. Running it again changes
    nothing, and advances the ids only if they have come nearer than --skip to the last one in use.
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
    """Reopens mailings that have ended but have messages that are not final.

    A consistent ledger has none of them, and this changes nothing. Workers send messages while their windows are open,
    and expire the rest; the messages of a cancelled or removed mailing are cancelled.
    """
    restore.disable_statement_timeout()
    reopened = reopen_unfinished()
    if reopened:
        add_entry("reopenMailings", current_os_principal(), detail={"mailings": reopened})
    db.session.commit()
    click.echo(f"Open again: {', '.join(f'mailing {mailing_id}' for mailing_id in reopened) or 'none'}.")


@click.command("verify")
@with_appcontext
def verify_ledger() -> None:
    """Checks the whole ledger, and names what contradicts its rules.

    Reads everything as it was when it began, beside API and workers, and changes nothing. Exits with 1 if it finds
    anything.
    """
    verify.begin_snapshot()
    restore.disable_statement_timeout()
    findings = 0
    for finding in verify.find_contradictions():
        findings += 1
        ids = ", ".join(map(str, finding.ids))
        click.echo(f"{finding.check.finding}: {ids}{', and more' if finding.more else ''}.")
    size = verify.ledger_size()
    click.echo(f"Checked: {size.messages} messages with {size.attempts} attempts, of {size.mailings} mailings.")
    if findings:
        click.echo(f"Rules that do not hold: {findings} of {len(verify.CHECKS)}.")
        raise SystemExit(1)
    click.echo("All rules hold:")
    for check in verify.CHECKS:
        click.echo(f"- {check.rule}")
