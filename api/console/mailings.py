"""Mailings: the list, and the page of one."""

from __future__ import annotations

from functools import partial

from flask import request

from api.console.alerts import DANGER, is_overdue, problems_about
from api.console.blueprint import blp, page
from api.console.charts import timeline
from api.console.flash_messages import take_notice
from api.console.mailing_actions import available_actions, is_still_so, starts_in
from api.console.paging import address_of, paged
from api.console.pending_work import current_problems, pending_work, rate_limit, seconds_left
from api.console.preferences import may
from api.drafts.queries import unsent_drafts
from api.http.fields import MAX_ID
from api.mailings.progress import reasons_of, sent_moments
from api.mailings.queries import journal_before, mailing_by_id
from api.mailings.search import MailingSearchPage, read_search
from api.mailings.waiting_messages import backlog_of
from api.permissions import requires
from api.workers.queries import fleet
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus

DRAFTS = 20
"""The latest drafts, which are listed."""


@blp.get("/mailings/")
@requires(Role.VIEWER)
def mailings() -> str:
    """The list of mailings, or a search."""
    words, status = request.args.get("words", "").strip(), request.args.get("status", "")
    wanted = MailingStatus(status) if status in list(MailingStatus) else None
    search = MailingSearchPage(read_search(words, request.args.get("zone", "UTC"), wanted))
    found = paged(search.page, lambda row: int(row["id"]), MAX_ID)
    workers = fleet()
    named = search.of_number() if found.first_address is None else None
    unsent, in_all = unsent_drafts(DRAFTS) if may("console.edit_draft") else ((), 0)
    return page(
        "mailings",
        drafts=unsent,
        drafts_in_all=in_all,
        found=found,
        rows=[named, *found.rows] if named else found.rows,
        reached=search.reached,
        go_on=None if search.reached is None else address_of(search.reached),
        words=words,
        status=status,
        statuses=list(MailingStatus),
        notice=take_notice(),
        now=workers.now,
        problems=[problem for problem in current_problems(workers) if problem.level == DANGER],
    )


@blp.get("/mailings/<id:mailing_id>/")
@requires(Role.VIEWER)
def mailing(mailing_id: int) -> str:
    """One mailing: its progress, the reasons of messages that were not sent, and the available actions."""
    summary = mailing_by_id(mailing_id)
    workers, notice = fleet(), take_notice()
    load = pending_work(workers)
    return page(
        "mailing",
        mailing=summary,
        fleet=workers,
        left=seconds_left(summary, workers, load),
        others=backlog_of(load.waiting, apart_from=mailing_id).mailings,
        problems=problems_about(summary, workers, load, rate=rate_limit()),
        overdue=is_overdue(summary, workers.now),
        reasons=reasons_of(mailing_id, summary["messages"]),
        timeline=timeline(sent_moments(mailing_id), summary["messages"]["sent"]),
        journal=paged(partial(journal_before, mailing_id), lambda entry: int(entry.id), MAX_ID),
        actions=available_actions(summary, workers.now),
        starts_in=starts_in(summary, workers.now),
        notice=notice if notice and is_still_so(notice.name, summary) else None,
    )
