"""Mailings: the list, and the page of one."""

from __future__ import annotations

from functools import partial

from flask import request

from api.console.alerts import GRAVE, is_overdue, problems_about
from api.console.blueprint import blp, page
from api.console.list_queries import find_journal
from api.console.load import hindrances, load_of, rate_limit, seconds_left
from api.console.mailing_actions import available_actions, starts_in, still_so
from api.console.notices import take
from api.console.paging import address_of, paged
from api.console.preferences import may
from api.http.fields import MAX_ID
from api.mailings.backlog import backlog_of
from api.mailings.drafts import unsent_drafts
from api.mailings.progress import reasons_of, timeline_of
from api.mailings.queries import mailing_by_id
from api.mailings.search import MailingSearchPage, read_search
from api.permissions import requires
from api.workers.queries import fleet
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus

DRAFTS = 20
"""Drafts that are listed, the latest ones."""


@blp.get("/mailings/")
@requires(Role.VIEWER)
def mailings() -> str:
    """All mailings, or those that are searched for."""
    words, status = request.args.get("words", "").strip(), request.args.get("status", "")
    wanted = MailingStatus(status) if status in list(MailingStatus) else None
    walk = MailingSearchPage(read_search(words, request.args.get("zone", "UTC"), wanted))
    found = paged(walk.page, lambda one: int(one["id"]), MAX_ID)
    workers = fleet()
    named = walk.of_number() if found.first_address is None else None
    unsent, in_all = unsent_drafts(DRAFTS) if may("console.edit_draft") else ((), 0)
    return page(
        "mailings",
        drafts=unsent,
        drafts_in_all=in_all,
        found=found,
        rows=[named, *found.rows] if named else found.rows,
        reached=walk.reached,
        go_on=None if walk.reached is None else address_of(walk.reached),
        words=words,
        status=status,
        statuses=list(MailingStatus),
        notice=take(),
        now=workers.now,
        problems=[problem for problem in hindrances(workers) if problem.level == GRAVE],
    )


@blp.get("/mailings/<id:mailing_id>/")
@requires(Role.VIEWER)
def mailing(mailing_id: int) -> str:
    """One mailing: how far it is, why what was not sent was not, and what can be done about it."""
    report = mailing_by_id(mailing_id)
    workers, notice = fleet(), take()
    load = load_of(workers)
    return page(
        "mailing",
        mailing=report,
        fleet=workers,
        left=seconds_left(report, workers, load),
        others=backlog_of(load.waiting, apart_from=mailing_id).mailings,
        problems=problems_about(report, workers, load, rate=rate_limit()),
        overdue=is_overdue(report, workers.now),
        reasons=reasons_of(mailing_id, report["messages"]),
        timeline=timeline_of(mailing_id, report["messages"]["sent"]),
        journal=paged(partial(find_journal, mailing_id), lambda entry: int(entry.id), MAX_ID),
        deeds=available_actions(report, workers.now),
        starts_in=starts_in(report, workers.now),
        notice=notice if notice and still_so(notice.name, report) else None,
    )
