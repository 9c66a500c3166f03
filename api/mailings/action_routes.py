"""The operations that set a mailing as a whole going, or stop it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask.views import MethodView

from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.mailings import queries, services
from api.mailings.routes import MAILING_ID, blp
from api.mailings.schemas import JournalEntrySchema, MailingSchema, RetriedSchema, RetryBody
from shared.domain.mailing_rules import Action
from shared.domain.statuses import MessageStatus
from shared.schema import MailingEvent


@blp.route("/<id:mailing_id>/pause/", parameters=MAILING_ID)
class MailingPause(MethodView):
    @blp.operation("pauseMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.Report:
        """Pause a mailing

        Once this is answered, no worker takes another message of it. What is in flight is finished. Its window goes on.
        """
        services.apply_action(mailing_id, Action.PAUSE)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/resume/", parameters=MAILING_ID)
class MailingResume(MethodView):
    @blp.operation("resumeMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.Report:
        """Resume a paused mailing"""
        services.apply_action(mailing_id, Action.RESUME)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/cancel/", parameters=MAILING_ID)
class MailingCancel(MethodView):
    @blp.operation("cancelMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.Report:
        """Cancel a mailing, for good

        Once this is answered, no worker takes another message of it. Within a poll, those that wait end as `cancelled`,
        or as `unknown` if an attempt may have landed.
        """
        services.apply_action(mailing_id, Action.CANCEL)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/retry/", parameters=MAILING_ID)
class MailingRetry(MethodView):
    @blp.operation("retryMailing", 404, 409)
    @blp.once
    @blp.arguments(RetryBody())
    @blp.response(200, RetriedSchema())
    def post(self, arguments: dict[str, str], mailing_id: int) -> services.RetryResult:
        """Try the failed or the unknown messages of a mailing again

        Inside its window only. They keep their ids and texts, and get their full number of attempts anew. A client who
        was removed is not written to. Retrying `unknown` messages may deliver twice what had landed after all.
        """
        return services.retry(mailing_id, MessageStatus(arguments["status"]))


@blp.route("/<id:mailing_id>/journal/", parameters=MAILING_ID)
class MailingJournal(MethodView):
    @blp.operation("listMailingJournal", 404)
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, JournalEntrySchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any], mailing_id: int) -> tuple[Sequence[MailingEvent], dict[str, str]]:
        """List what has been done to a mailing: edits, pauses, resumptions, cancelling, retries"""
        queries.check_mailing(mailing_id)
        return page(partial(services.journal_after, mailing_id), arguments)
