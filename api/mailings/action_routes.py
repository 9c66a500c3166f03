"""The operations that pause, resume, cancel or retry a mailing, and its history."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from flask import url_for
from flask.views import MethodView

from api.http.openapi import LOCATION
from api.http.paging import PAGE_HEADERS, PageArguments, page
from api.mailings import queries, services
from api.mailings.approval import approve
from api.mailings.routes import MAILING_ID, blp
from api.mailings.schemas import JournalEntrySchema, MailingSchema, RetriedSchema, RetryBody
from api.mailings.test_send import TestSendBody, send_test_message
from api.permissions import requires
from shared.domain.mailing_rules import Action
from shared.domain.roles import Role
from shared.domain.statuses import MessageStatus
from shared.schema import MailingEvent


@blp.route("/<id:mailing_id>/pause/", parameters=MAILING_ID)
class MailingPause(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("pauseMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.MailingSummary:
        """Pause a mailing

        After the response, no worker claims another message of it. Messages in flight are still sent. Its window does
        not change.
        """
        services.apply_action(mailing_id, Action.PAUSE)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/resume/", parameters=MAILING_ID)
class MailingResume(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("resumeMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.MailingSummary:
        """Resume a paused mailing"""
        services.apply_action(mailing_id, Action.RESUME)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/approve/", parameters=MAILING_ID)
class MailingApprove(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("approveMailing", 404, 409, 412)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.MailingSummary:
        """Approve a mailing

        One that requires approval does not run before. Who has created it or changed it last cannot approve it. Send
        the ETag of what you have read as `If-Match`: if it was changed since, it is not approved. Every change takes
        the approval back, and pauses a mailing that runs.
        """
        mailing, fields = services.lock_mailing(mailing_id)
        blp.check_etag(fields)
        approve(mailing)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/cancel/", parameters=MAILING_ID)
class MailingCancel(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("cancelMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.response(200, MailingSchema())
    def post(self, mailing_id: int) -> queries.MailingSummary:
        """Cancel a mailing

        After the response, no worker claims another message of it. Within a polling interval, pending messages end as
        `cancelled`, or as `unknown` if an attempt may have been delivered.
        """
        services.apply_action(mailing_id, Action.CANCEL)
        return queries.mailing_by_id(mailing_id)


@blp.route("/<id:mailing_id>/retry/", parameters=MAILING_ID)
class MailingRetry(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("retryMailing", 404, 409)
    @blp.once
    @blp.arguments(RetryBody())
    @blp.response(200, RetriedSchema())
    def post(self, arguments: dict[str, str], mailing_id: int) -> services.RetryResult:
        """Retry the failed or the unknown messages of a mailing

        Inside its window only. They keep their ids and texts, and get their full number of attempts again. Removed
        clients are skipped. Retrying `unknown` messages may deliver some of them twice.
        """
        return services.retry(mailing_id, MessageStatus(arguments["status"]))


@blp.route("/<id:mailing_id>/test/", parameters=MAILING_ID)
class MailingTest(MethodView):
    @requires(Role.OPERATOR)
    @blp.operation("testMailing", 404, 409)
    @blp.once
    @blp.etag
    @blp.arguments(TestSendBody())
    @blp.response(201, MailingSchema(), headers={"Location": LOCATION})
    def post(self, fields: dict[str, int], mailing_id: int) -> tuple[queries.MailingSummary, dict[str, str]]:
        """Send the text of a mailing to one client, as a test

        The test is a mailing of its own, which is sent at once, whatever the state of the mailing: follow it by the
        `id` in the response. Tests are sent only to clients of the directory.
        """
        test_id = send_test_message(mailing_id, fields["phone_number"])
        return queries.mailing_by_id(test_id), {"Location": url_for("Mailings.MailingById", mailing_id=test_id)}


@blp.route("/<id:mailing_id>/journal/", parameters=MAILING_ID)
class MailingJournal(MethodView):
    @requires(Role.VIEWER)
    @blp.operation("listMailingJournal", 404)
    @blp.arguments(PageArguments(), location="query")
    @blp.response(200, JournalEntrySchema(many=True), headers=PAGE_HEADERS)
    def get(self, arguments: dict[str, Any], mailing_id: int) -> tuple[Sequence[MailingEvent], dict[str, str]]:
        """List the history of a mailing: edits, pauses, resumptions, cancelling, retries"""
        queries.check_mailing(mailing_id)
        return page(partial(queries.journal_after, mailing_id), arguments)
