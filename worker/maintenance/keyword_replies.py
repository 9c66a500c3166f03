"""Replies to keywords: one mailing for each day, gateway, action and language, to which messages are added.

A client gets each reply once a day. (The statements: shared/sql/keywords.py; the texts:
shared/domain/keyword_replies.py.)
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from psycopg2.extensions import cursor as Cursor  # noqa: N812

from shared.domain.keyword_replies import reply_language, reply_text
from shared.domain.suppressions import KeywordAction
from shared.sql import keywords, mailings
from worker.maintenance.keyword_rows import ClientRow, GatewayRow, KeywordMessage, LockedClient
from worker.parameters import bigints
from worker.rows import fetch_all, fetch_one


class ReplyRules(NamedTuple):
    """The row of READ_REPLY_RULES."""

    replies: Mapping[str, Mapping[str, str | None]]
    reply_language: str


class Key(NamedTuple):
    """What the replies of a day have in common."""

    gateway_id: int
    action: KeywordAction
    language: str


class ReplyMailing(NamedTuple):
    """A row of FIND_REPLY_MAILINGS."""

    gateway_id: int
    action: str
    language: str
    mailing_id: int


class AddedMailing(NamedTuple):
    """The row of ADD_REPLY_MAILING."""

    mailing_id: int


class LockedMailing(NamedTuple):
    """The row of READ_REPLY_MAILING."""

    is_open: bool
    """Whether it is neither cancelled nor removed."""
    text: str


class AddedReplies(NamedTuple):
    """The row of ADD_REPLIES."""

    added: int


class Replies(NamedTuple):
    """Replies that are to be added to a locked mailing."""

    mailing_id: int
    path_id: int
    clients: list[ClientRow]


def prepare_replies(
    cursor: Cursor,
    answered: Iterable[KeywordMessage],
    clients: Mapping[int, ClientRow],
    gateways: Mapping[int, GatewayRow],
) -> list[Replies]:
    """Locks the mailings of the replies to these messages, and makes those that there are not yet.

    `clients` are by phone number: a sender who is none gets no reply. Nor does anybody from a gateway that is paused
    or removed, or once somebody has cancelled or removed the mailing of that day's replies.
    """
    cursor.execute(keywords.READ_REPLY_RULES)
    [rules] = fetch_all(cursor, ReplyRules)
    wanted: defaultdict[Key, list[ClientRow]] = defaultdict(list)
    for message in answered:
        client = clients.get(message.phone_number)
        if client is not None and gateways[message.gateway_id].is_open:
            language = reply_language(message.languages, client.language, rules.reply_language)
            wanted[Key(message.gateway_id, message.action, language)].append(client)
    texts = {key: reply_text(key.action, key.language, rules.replies) for key in wanted}
    sent = {key: text for key, text in texts.items() if text is not None}
    ids = _mailings(cursor, sent)
    return [
        Replies(mailing_id, path_id, wanted[key])
        for mailing_id, key in sorted((mailing_id, key) for key, mailing_id in ids.items())
        if (path_id := gateways[key.gateway_id].path_id) is not None and _lock(cursor, mailing_id, sent[key])
    ]


def add_replies(cursor: Cursor, replies: Iterable[Replies], locked: Sequence[LockedClient]) -> int:
    """Adds the replies to those clients who are locked and still have their number. Returns how many were added."""
    there = {(client.id, client.phone_number) for client in locked}
    added = 0
    for mailing_id, path_id, clients in replies:
        ids = {client.id for client in clients if (client.id, client.phone_number) in there}
        if ids:
            given = {"mailing_id": mailing_id, "path_id": path_id, "clients": bigints(ids)}
            cursor.execute(keywords.ADD_REPLIES, given)
            [of_mailing] = fetch_all(cursor, AddedReplies)
            if of_mailing.added:
                cursor.execute(mailings.RUN_AGAIN, {"mailing_id": mailing_id})
            added += of_mailing.added
    return added


def _mailings(cursor: Cursor, texts: Mapping[Key, str]) -> dict[Key, int]:
    """The mailings of today's replies; new ones get these texts."""
    if not texts:
        return {}
    cursor.execute(keywords.FIND_REPLY_MAILINGS, {"gateways": bigints({key.gateway_id for key in texts})})
    found = {
        Key(row.gateway_id, KeywordAction(row.action), row.language): row.mailing_id
        for row in fetch_all(cursor, ReplyMailing)
    }
    return {key: found[key] if key in found else _add_mailing(cursor, key, text) for key, text in texts.items()}


def _add_mailing(cursor: Cursor, key: Key, text: str) -> int:
    given = {"mark": f"replies to {key.action.upper()}", "text": text, **key._asdict()}
    cursor.execute(keywords.ADD_REPLY_MAILING, given)
    [added] = fetch_all(cursor, AddedMailing)
    return added.mailing_id


def _lock(cursor: Cursor, mailing_id: int, text: str) -> bool:
    """Locks a mailing and gives it that text. Returns whether messages may be added to it."""
    cursor.execute(mailings.LOCK_MAILING, {"mailing_id": mailing_id})
    cursor.execute(keywords.READ_REPLY_MAILING, {"mailing_id": mailing_id})
    mailing = fetch_one(cursor, LockedMailing)
    if mailing is None or not mailing.is_open:
        return False
    if mailing.text != text:
        cursor.execute(keywords.CHANGE_REPLY_TEXT, {"mailing_id": mailing_id, "text": text})
    return True
