"""What keywords of inbound messages do, in the transaction that stores the messages.

A STOP suppresses its sender, a START lifts refusals, and each keyword has a reply. The keywords of one number act one
after the other, in the order in which they were sent. (The statements: shared/sql/keywords.py.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import zip_longest
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.inbound_evidence import message_evidence
from shared.domain.suppressions import KeywordAction, RecordSource, SuppressionReason, SuppressionScope
from shared.json_parameter import json_parameter
from shared.sql import keywords
from worker.maintenance.keyword_replies import add_replies, prepare_replies
from worker.maintenance.keyword_rows import ClientRow, GatewayRow, KeywordMessage, LockedClient, SuppressionRow
from worker.parameters import bigints
from worker.rows import fetch_all
from worker.suppressions import NewSuppression, suppress

Gateways = Mapping[int, GatewayRow]


class Applied(NamedTuple):
    """What the keywords of one transaction did."""

    suppressed: int = 0
    """Suppressions recorded. A number that is suppressed already gets no other."""
    lifted: int = 0
    """Suppressions lifted."""
    replies: int = 0
    """Messages added."""


def apply_keywords(cursor: Cursor, messages: Sequence[KeywordMessage]) -> Applied:
    """Carries out what these messages ask for, and adds the replies."""
    if not messages:
        return Applied()
    cursor.execute(keywords.LOCK_GATEWAYS, {"gateways": bigints({message.gateway_id for message in messages})})
    gateways = {gateway.id: gateway for gateway in fetch_all(cursor, GatewayRow)}
    in_order = _by_number(messages)
    cursor.execute(keywords.READ_CLIENTS, {"phone_numbers": bigints(in_order)})
    clients = {client.phone_number: client for client in fetch_all(cursor, ClientRow)}
    replies = prepare_replies(cursor, _answered(cursor, in_order.values(), gateways), clients, gateways)
    # All of them, since their messages are locked next: the removal of a client locks the client first.
    cursor.execute(keywords.LOCK_CLIENTS, {"clients": bigints(client.id for client in clients.values())})
    locked = fetch_all(cursor, LockedClient)
    suppressed = lifted = 0
    # The first one of each number, then the second one of each, and so on.
    for turn in zip_longest(*in_order.values()):
        of_turn = [message for message in turn if message is not None]
        if stops := _that(KeywordAction.STOP, of_turn):
            suppressed += len(suppress(cursor, [_suppression(one, gateways) for one in stops]))
        lifted += _lift(cursor, _that(KeywordAction.START, of_turn), gateways)
    return Applied(suppressed, lifted, add_replies(cursor, replies, locked))


def _by_number(messages: Iterable[KeywordMessage]) -> dict[int, list[KeywordMessage]]:
    """The messages of each number, in the order in which they were sent."""
    found: defaultdict[int, list[KeywordMessage]] = defaultdict(list)
    for message in messages:
        found[message.phone_number].append(message)
    for written in found.values():
        # A provider's clock is compared with itself alone.
        is_dated = len({one.gateway_id for one in written}) == 1 and all(one.sent_at for one in written)
        written.sort(key=lambda one: ((one.sent_at if is_dated else None) or one.received_at, one.received_at, one.id))
    return found


def _answered(cursor: Cursor, in_order: Iterable[Sequence[KeywordMessage]], gateways: Gateways) -> list[KeywordMessage]:
    """Those that are answered: of each number the last STOP or START, and the last HELP.

    A START that leaves a suppression in force is not: the reply would promise messages.
    """
    last: dict[tuple[int, bool], KeywordMessage] = {}
    for written in in_order:
        for message in written:
            last[message.phone_number, message.action is KeywordAction.HELP] = message
    starts = _that(KeywordAction.START, last.values())
    kept: set[int] = set()
    if starts:
        cursor.execute(keywords.FIND_KEPT, {"starts": json_parameter([_start(one, gateways) for one in starts])})
        kept = {suppression.phone_number for suppression in fetch_all(cursor, SuppressionRow)}
    return [one for one in last.values() if one.action is not KeywordAction.START or one.phone_number not in kept]


def _that(action: KeywordAction, messages: Iterable[KeywordMessage]) -> list[KeywordMessage]:
    return [message for message in messages if message.action is action]


def _lift(cursor: Cursor, starts: Sequence[KeywordMessage], gateways: Gateways) -> int:
    if not starts:
        return 0
    cursor.execute(keywords.LIFT_REFUSALS, {"starts": json_parameter([_start(one, gateways) for one in starts])})
    return len(fetch_all(cursor, SuppressionRow))


def _suppression(message: KeywordMessage, gateways: Gateways) -> NewSuppression:
    """Its scope is everything, though the STOP came to one sender: nobody can tell from it that the others are
    welcome.
    """
    return NewSuppression(
        message.phone_number,
        SuppressionScope.EVERYTHING,
        None,
        SuppressionReason.OPTED_OUT,
        RecordSource.KEYWORD,
        _evidence(message, gateways),
    )


def _start(message: KeywordMessage, gateways: Gateways) -> dict[str, object]:
    """An object of LIFT_REFUSALS and FIND_KEPT."""
    return {
        "phone_number": message.phone_number,
        "gateway": gateways[message.gateway_id].name,
        "gateway_id": message.gateway_id,
        "sent_at": None if message.sent_at is None else message.sent_at.isoformat(),
        "received_at": message.received_at.isoformat(),
        "evidence": _evidence(message, gateways),
    }


def _evidence(message: KeywordMessage, gateways: Gateways) -> dict[str, object]:
    return message_evidence(
        message.id,
        decision=message.action,
        text=message.text,
        gateway=gateways[message.gateway_id].name,
        recipient=message.recipient,
        sent_at=message.sent_at,
        received_at=message.received_at,
    )
