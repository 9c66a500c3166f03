"""Mailings: the list, and the page of one."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import request
from sqlalchemy import select

from api.console.blueprint import blp, page
from api.console.figures import LOOK, reasons_of, timeline_of
from api.console.fleet import fleet
from api.console.mailing_deeds import deeds_for, starts_in
from api.console.paging import paged
from api.console.problems import seconds_left
from api.console.searches import find_journal, find_mailings
from api.console.viewer import may
from api.extensions import db
from api.fields import MAX_ID, whole_number
from api.mailings.drafts import unsent_drafts
from api.mailings.queries import mailing_by_id
from shared.ledger import MailingStatus
from shared.models import Mailing, MessageTally

DRAFTS = 20
"""Drafts that are listed, the latest ones."""


@blp.get("/mailings/")
def mailings() -> str:
    """All mailings, or those that are searched for."""
    words, status = request.args.get("words", "").strip(), request.args.get("status", "")
    wanted: dict[str, Any] = {
        "words": words,
        "status": MailingStatus(status) if status in list(MailingStatus) else None,
    }
    found = paged(lambda before, limit: find_mailings(before, limit, **wanted), lambda one: int(one["id"]), MAX_ID)
    unsent, in_all = unsent_drafts(DRAFTS) if may("console.edit_draft") else ((), 0)
    return page(
        "mailings",
        drafts=unsent,
        drafts_in_all=in_all,
        found=found,
        words=words,
        status=status,
        statuses=list(MailingStatus),
    )


@blp.get("/mailings/<id:mailing_id>/")
def mailing(mailing_id: int) -> str:
    """One mailing: how far it is, why what was not sent was not, and what can be done about it."""
    report = mailing_by_id(mailing_id)
    workers = fleet()
    return page(
        "mailing",
        mailing=report,
        fleet=workers,
        left=_seconds_left(report["messages"]["pending"], workers.accepted_a_second),
        reasons=reasons_of(mailing_id),
        look=LOOK,
        timeline=timeline_of(mailing_id, report["messages"]["sent"]),
        journal=paged(partial(find_journal, mailing_id), lambda entry: int(entry.id), MAX_ID),
        deeds=deeds_for(report, workers.now),
        starts_in=starts_in(report, workers.now),
        said=request.args.get("said"),
        count=whole_number(request.args.get("count", "")),
    )


def _seconds_left(pending: int, speed: float) -> float | None:
    running = select(Mailing.id).where(
        Mailing.status == MailingStatus.RUNNING, Mailing.settled_at.is_(None), Mailing.launch_started_at.is_not(None)
    )
    ids = db.session.scalars(running).all()
    waiting = select(MessageTally.messages).where(MessageTally.mailing_id.in_(ids), MessageTally.status == "pending")
    return seconds_left(pending, sum(db.session.scalars(waiting)), len(ids), speed)
