"""Mutations of what a worker does with several gateways: look-ups, failover, and the account's refusals.

Like those of mutations.py, they edit the worker's own code.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from shared.domain.results import OF_THE_ACCOUNT, UNCOUNTED
from shared.gateways import infobip
from shared.gateways.base import LookUp, LookUpResult, OutgoingMessage, Response, Submission, SubmitResult
from shared.gateways.post_adapter import PostAdapter
from shared.sql import routing
from shared.sql.conditions import NOT_IN_DOUBT_ELSEWHERE
from tests.chaos.mutations import edit, edit_claim, edit_function
from worker import attempt_decision
from worker.claimed_message import ClaimedMessage
from worker.lanes import http_sender, look_up_outcomes
from worker.lanes.gateway_client import GatewayClient
from worker.maintenance.failover import Failover


def doubt_sent_elsewhere() -> None:
    """A message in doubt is given to another gateway like any other message."""
    doubt_queued_elsewhere()
    edit_claim(NOT_IN_DOUBT_ELSEWHERE, "TRUE")


def doubt_queued_elsewhere() -> None:
    """A message in doubt waits on the path that it came on."""
    edit_function("message_updated", "CASE WHEN in_doubt THEN", "CASE WHEN FALSE THEN")


def no_failover() -> None:
    """Paths stay with the gateway that they have."""
    Failover.run = lambda self: False  # type: ignore[method-assign]


def no_return() -> None:
    """A gateway that has failed once is not given messages again."""
    edit(routing, "SET_AVAILABILITY", "SET available = well AND well_since IS NOT NULL", "SET available = FALSE")


def sender_changed_on_repeat() -> None:
    """A repeat has another sender than the first attempt."""
    prepare = infobip.InfobipAdapter.prepare

    def prepare_anew(self: PostAdapter, message: OutgoingMessage) -> Submission | SubmitResult:
        prepared = prepare(self, message)
        if isinstance(prepared, SubmitResult) or not (isinstance(message, ClaimedMessage) and message.number > 1):
            return prepared
        return prepared._replace(body=prepared.body.replace(b'"sender":"', b'"sender":"New ', 1))

    infobip.InfobipAdapter.prepare = prepare_anew  # type: ignore[method-assign]


def another_message_id() -> None:
    """A repeat has an id of its own at the provider."""
    prepare = infobip.InfobipAdapter.prepare

    def prepare_anew(self: PostAdapter, message: OutgoingMessage) -> Submission | SubmitResult:
        if isinstance(message, ClaimedMessage) and message.number > 1:
            return prepare(self, replace(message, message_id=message.message_id + 1_000_000))
        return prepare(self, message)

    infobip.InfobipAdapter.prepare = prepare_anew  # type: ignore[method-assign]


def not_asked() -> None:
    """What is in doubt is submitted again, and the gateway is not asked before: it does not deliver it twice."""
    ClaimedMessage.is_to_be_looked_up = property(lambda self: False)  # type: ignore[method-assign,assignment]


def not_found_taken_for_found() -> None:
    """Whatever the logs say, the message is taken to be there."""
    _read_as({LookUp.NOT_FOUND: LookUp.FOUND})


def found_taken_for_not_found() -> None:
    """Whatever the logs say, the message is taken not to be there."""
    _read_as({LookUp.FOUND: LookUp.NOT_FOUND})


def unclear_taken_for_not_found() -> None:
    """If the gateway does not answer, the message is taken not to be there."""
    read = GatewayClient.read_look_up

    def read_boldly(self: GatewayClient, *exchange: Any) -> LookUpResult:
        found = read(self, *exchange)
        return replace(found, outcome=LookUp.NOT_FOUND) if found.outcome is LookUp.UNCLEAR else found

    GatewayClient.read_look_up = read_boldly  # type: ignore[method-assign,assignment]


def unclear_ends_doubt() -> None:
    """A look-up settles the doubt, whatever came of it."""
    settle = look_up_outcomes.settled_by

    def settle_boldly(found: LookUpResult, message: ClaimedMessage) -> SubmitResult:
        settled = settle(found, message)
        message.in_doubt = False
        return settled

    vars(http_sender)["settled_by"] = settle_boldly


def account_refusals_counted() -> None:
    """A refusal of the account counts as an attempt to send the message."""
    vars(attempt_decision)["UNCOUNTED"] = UNCOUNTED - OF_THE_ACCOUNT


def _read_as(instead: Mapping[LookUp, LookUp]) -> None:
    read = infobip.InfobipAdapter.read_look_up

    def misread(
        self: infobip.InfobipAdapter, response: Response, message: OutgoingMessage, secrets: Collection[str] = ()
    ) -> LookUpResult:
        found = read(self, response, message, secrets)
        return replace(found, outcome=instead.get(found.outcome, found.outcome))

    infobip.InfobipAdapter.read_look_up = misread  # type: ignore[method-assign]
