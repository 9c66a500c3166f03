"""Mailings: the list, and the page of one."""

from __future__ import annotations

from functools import partial
from typing import Any

from flask import request

from api.console.alerts import DANGER, is_overdue, problems_about
from api.console.blueprint import blp, page
from api.console.charts import timeline
from api.console.flash_messages import take_notice
from api.console.mailing_action_views import no_approval_now
from api.console.mailing_actions import available_actions, awaits_approval, is_still_so, starts_in
from api.console.paging import address_of, paged
from api.console.pending_work import current_problems, pending_work, rate_limit, seconds_left
from api.console.planned import plan_on_page
from api.console.preferences import may
from api.drafts.queries import unsent_drafts
from api.holiday_calendars.queries import calendar_names
from api.http.fields import MAX_ID
from api.mailings.progress import reasons_of, sent_moments, undelivered_reasons_of
from api.mailings.queries import journal_before, mailing_by_id
from api.mailings.search import MailingSearchPage, read_search
from api.mailings.waiting_messages import backlog_of, due_later
from api.messages.search import find_messages
from api.permissions import requires
from api.templates.preview import preview
from api.workers.queries import fleet
from shared.domain.roles import Role
from shared.domain.statuses import MailingStatus
from shared.domain.templates import is_plain
from shared.errors import FieldError

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
    summary, live = mailing_by_id(mailing_id), request.args.get("part") == "live"
    workers, notice = fleet(), take_notice()
    load = pending_work(workers)
    return page(
        "mailing",
        mailing=summary,
        fleet=workers,
        left=seconds_left(summary, workers, load),
        others=backlog_of(load.waiting, apart_from=mailing_id).mailings,
        problems=problems_about(summary, workers, load, rate=rate_limit()),
        example=None if is_plain(summary["text"]) else _example(mailing_id, summary["text"]),
        overdue=is_overdue(summary, workers.now),
        reasons=reasons_of(mailing_id, summary["messages"]),
        undelivered=undelivered_reasons_of(mailing_id, summary["delivery"]["undelivered"]),
        timeline=timeline(sent_moments(mailing_id), summary["messages"]["sent"]),
        journal=paged(partial(journal_before, mailing_id), lambda entry: int(entry.id), MAX_ID),
        actions=available_actions(summary, workers.now),
        starts_in=starts_in(summary, workers.now),
        notice=notice if notice and is_still_so(notice.name, summary) else None,
        later=due_later(mailing_id) if summary["local_from"] is not None and summary["messages"]["pending"] else None,
        holidays=calendar_names().get(summary["holiday_calendar_id"] or 0, ""),
        no_approval=no_approval_now(mailing_id, workers.now) if awaits_approval(summary) else None,
        planned=None if live else plan_on_page(summary),
    )


def _example(mailing_id: int, text: str) -> dict[str, Any] | None:
    """A template for the client of the mailing's latest message, or before its launch for the first client.

    None for a text with braces that is no template, as those were that were added before there were templates.
    """
    latest = find_messages(MAX_ID, 1, {"mailing_id": mailing_id})
    try:
        return preview(text, latest[0].client_id if latest else None)
    except FieldError:
        return None
