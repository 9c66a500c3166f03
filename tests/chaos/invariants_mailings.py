"""Invariants of mailings as a whole, of the API's word, and of the processes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, TypeVar

from shared.domain.statuses import MailingKind
from shared.domain.transitions import mailing_transitions
from tests.chaos.facts import Call, ClientMove, MailingMove, Violation
from tests.chaos.message_history import Ledgers

Condition = Callable[[MailingMove], bool]
Move = TypeVar("Move", ClientMove, MailingMove)


def reaches_its_audience(ledgers: Ledgers) -> Iterator[Violation]:
    """Each client of the audience has exactly one message; nobody else has one."""
    messages: dict[int, Counter[int]] = defaultdict(Counter)
    for history in ledgers.histories.values():
        messages[history.mailing_id][history.moves[0].client_id] += 1
    for mailing_id, moves in ledgers.mailings.items():
        if moves[0].kind == MailingKind.REPLY:
            continue  # its messages are added one by one, to those who wrote
        start = next((move for move in moves if move.launch_started), None)
        if start is None:
            if messages[mailing_id]:
                yield Violation("one message", "it has messages, and was never launched", None, mailing_id)
            continue
        end = next((move.committed_at for move in moves if move.launched), float("inf"))
        listed = next((move for move in moves if move.listed), None)
        for client_id, clients in ledgers.clients.items():
            must, may = _belongs(clients, start, end) if listed is None else _is_listed(clients, start, listed, end)
            count = messages[mailing_id][client_id]
            if count > 1 or (must and not count) or (count and not may):
                said = f"client {client_id} is {'' if may else 'not '}in its audience and has {count} messages"
                yield Violation("one message", said, None, mailing_id)
        yield from _of_nobody(mailing_id, messages[mailing_id], ledgers)


def settles(ledgers: Ledgers) -> Iterator[Violation]:
    """At the end of a run, no mailing has anything left to do."""
    for mailing_id, moves in ledgers.mailings.items():
        last = moves[-1]
        if last.present and last.status in ("scheduled", "running", "paused"):
            yield Violation("final status", f"the mailing is still {last.status}", None, mailing_id)
        elif last.present and last.launch_started and not (last.launched and last.settled):
            said = f"it is {last.status}, and {'not settled' if last.launched else 'its launch has not ended'}"
            yield Violation("final status", said, None, mailing_id)


def makes_legal_transitions(ledgers: Ledgers) -> Iterator[Violation]:
    """A mailing moves along the lines of the state machine."""
    for mailing_id, moves in ledgers.mailings.items():
        statuses = [None, *(move.status if move.present else None for move in moves)]
        for before, after in pairwise(statuses):
            if before != after and not mailing_transitions(before, after):
                yield Violation("legal transitions", f"the mailing went from {before} to {after}", None, mailing_id)


def conserves(ledgers: Ledgers) -> Iterator[Violation]:
    """audience = pending + … + unknown, as the launch, the message counts and the rows have it, in each snapshot."""
    for sample in ledgers.facts.samples:
        tallied, counted = sum(sample.tallied.values()), sum(sample.counted.values())
        if sample.tallied != sample.counted or sample.audience != counted:
            said = (
                f"at {sample.at:.3f}: an audience of {sample.audience}, {tallied} tallied {dict(sample.tallied)}, "
                f"{counted} counted {dict(sample.counted)}"
            )
            yield Violation("conservation", said, None, sample.mailing_id)
    for call in ledgers.facts.calls:
        for mailing in call.said if (call.method, call.status) == ("GET", 200) else ():
            if mailing["audience"] != sum(mailing["messages"].values()):
                said = f"the API says: an audience of {mailing['audience']}, and {mailing['messages']}"
                yield Violation("conservation", said, None, mailing["id"])
    messages = Counter(history.mailing_id for history in ledgers.histories.values())
    for mailing_id, moves in ledgers.mailings.items():
        if moves[-1].present and moves[-1].audience != messages[mailing_id]:
            said = f"at the end: an audience of {moves[-1].audience}, and {messages[mailing_id]} messages"
            yield Violation("conservation", said, None, mailing_id)


def settles_last(ledgers: Ledgers) -> Iterator[Violation]:
    """A mailing is settled when all its messages have an end, and not before."""
    settled = {mailing_id: list(_settlements(moves)) for mailing_id, moves in ledgers.mailings.items()}
    for history in ledgers.histories.values():
        for moment in settled.get(history.mailing_id, ()):
            before = [move for move in history.moves if move.committed_at <= moment]
            is_reply = ledgers.mailings[history.mailing_id][0].kind == MailingKind.REPLY
            if not before and is_reply:
                continue
            if not before or before[-1].status in ("pending", "sending"):
                said = "its mailing was settled while it had no end"
                yield Violation("legal transitions", said, history.message_id, history.mailing_id)


def does_what_the_api_acknowledged(ledgers: Ledgers) -> Iterator[Violation]:
    """What the API acknowledged was so at some moment between the question and the answer."""
    for call in ledgers.facts.calls:
        if call.status in (200, 201, 204) and call.method != "GET":
            kind, *rest = call.path.removeprefix("/v1/").strip("/").split("/")
            kept = {
                "client": _kept_with_client,
                "mailing": _kept,
                "gateway": _of_a_gateway,
                "suppression": _of_a_suppression,
            }[kind]
            if not kept(call, rest, ledgers):
                said = f"{call.method} {call.path} was answered {call.status}, and has not happened"
                yield Violation("acknowledged", said)


def is_idempotent(ledgers: Ledgers) -> Iterator[Violation]:
    """A creation that was repeated with its Idempotency-Key has happened once. (No two have the same text.)"""
    first_texts = Counter(text.text for text in ledgers.facts.texts if text.revision == 1)
    answers: dict[str, set[int]] = defaultdict(set)
    for call in ledgers.facts.calls:
        if call.key and call.status == 201:
            answers[call.key].add(call.said["id"])
        if call.key and first_texts[(call.body or {}).get("text", "")] > 1:
            yield Violation(
                "idempotent", f"{call.method} {call.path} with the key {call.key} has happened more than once"
            )
    for key, ids in answers.items():
        if len(ids) > 1:
            yield Violation("idempotent", f"the key {key} was answered with {sorted(ids)}")


def does_not_crash(ledgers: Ledgers) -> Iterator[Violation]:
    """No process ends by itself, and one that is asked to stop exits with 0."""
    for event in ledgers.facts.events:
        if event.what == "died":
            yield Violation("no crash", f"{event.who} ended by itself: {event.detail}")
        elif event.what == "exit" and event.detail != "0":
            yield Violation("no crash", f"{event.who} was asked to stop, and ended with {event.detail}")


RULES = (
    reaches_its_audience,
    settles,
    makes_legal_transitions,
    conserves,
    settles_last,
    does_what_the_api_acknowledged,
    is_idempotent,
    does_not_crash,
)


def _belongs(clients: list[ClientMove], start: MailingMove, end: float) -> tuple[bool, bool]:
    """Whether a client must have a message of a launch that lasted from `start` to `end`, and whether it may.

    Who matched all the while must; who matched at some moment of it, and was not created after its beginning, may.
    """
    if clients[0].began_at > start.committed_at:
        return False, False
    during = _states(clients, start.began_at, end)
    meanwhile = [client.present and start.mark in (client.tag, client.operator_code) for client in during]
    # A change whose transaction ran into the launch may or may not have been seen by it.
    clear = clients[0].committed_at < start.began_at
    return clear and all(meanwhile), any(meanwhile)


def _is_listed(clients: list[ClientMove], start: MailingMove, listed: MailingMove, end: float) -> tuple[bool, bool]:
    """The same for an audience that was listed: who matched while it was must, unless they were removed since."""
    if clients[0].began_at > start.committed_at:
        return False, False
    meanwhile = [_matches(client, listed) for client in _states(clients, listed.began_at, listed.committed_at)]
    stays = all(client.present for client in _states(clients, listed.began_at, end))
    clear = clients[0].committed_at < start.began_at
    return clear and stays and all(meanwhile), any(meanwhile)


def _states(clients: list[ClientMove], since: float, until: float) -> list[ClientMove]:
    """The states of a client that could be seen at some moment of that time."""
    return [
        client
        for place, client in enumerate(clients)
        if client.began_at <= until and (place + 1 == len(clients) or clients[place + 1].committed_at >= since)
    ]


def _matches(client: ClientMove, listed: MailingMove) -> bool:
    """Whether a client was in the audience of a mailing, in that state, by the conditions that were stored with it."""
    tree = listed.segment_tree
    whom = listed.mark in (client.tag, client.operator_code) if tree is None else _holds(tree, client)
    return client.present and whom and not any(_holds(one["tree"], client) for one in listed.excluded_trees or ())


def _holds(node: dict[str, Any], client: ClientMove) -> bool:
    """Whether a condition of a run's segments holds: on tags and operator codes (tests/chaos/workload.py)."""
    match node:
        case {"and": nodes}:
            return all(_holds(one, client) for one in nodes)
        case {"or": nodes}:
            return any(_holds(one, client) for one in nodes)
        case {"not": one}:
            return not _holds(one, client)
        case {"field": name, "operator": "=", "value": value}:
            return bool(getattr(client, name) == value)
        case {"field": name, "operator": "in", "value": values}:
            return getattr(client, name) in values
        case _:
            raise AssertionError(node)


def _settlements(moves: list[MailingMove]) -> Iterator[float]:
    """When a mailing came to rest: once, or once more after people have had it tried again."""
    for place, move in enumerate(moves):
        if move.settled and (place == 0 or not moves[place - 1].settled):
            yield move.committed_at


def _of_nobody(mailing_id: int, messages: Counter[int], ledgers: Ledgers) -> Iterator[Violation]:
    for client_id in messages:
        if client_id not in ledgers.clients:
            yield Violation("one message", f"there has never been a client {client_id}", None, mailing_id)


def _kept_with_client(call: Call, rest: list[str], ledgers: Ledgers) -> bool:
    client_id = call.said["id"] if rest == ["create"] else int(rest[0])
    states = _between(ledgers.clients[client_id], call)
    if call.method == "DELETE":
        return any(not client.present for client in states)
    body = call.body or {}
    wanted = tuple(body.get(name) for name in ("phone_number", "operator_code", "tag"))
    return any(client.present and client[1:4] == wanted for client in states)


def _of_a_gateway(call: Call, rest: list[str], ledgers: Ledgers) -> bool:
    return True  # its row is not recorded: what it does to messages, other rules say


def _of_a_suppression(call: Call, rest: list[str], ledgers: Ledgers) -> bool:
    said = call.said
    return any(
        move.suppression_id == said["id"]
        and move.committed_at <= call.answered_at
        and move.lifted == (rest[-1] == "lift")
        for move in ledgers.suppressions[said["phone_number"]]
    )


def _kept(call: Call, rest: list[str], ledgers: Ledgers) -> bool:
    mailing_id = call.said["id"] if rest == ["create"] else int(rest[0])
    states = _between(ledgers.mailings[mailing_id], call)

    def edited(move: MailingMove) -> bool:
        wanted = (call.body or {}).get("text")
        # A mailing that was removed before its launch has taken its texts along.
        text = ledgers.texts.get((mailing_id, move.text_revision))
        return move.present and (text is None or text.text == wanted)

    conditions: dict[str, Condition] = {
        "pause": lambda move: move.status == "paused",
        "resume": lambda move: move.status in ("scheduled", "running", "finished"),
        "cancel": lambda move: move.status == "cancelled",
        "DELETE": lambda move: not move.present or (move.removed and move.status in ("cancelled", "finished")),
        "PUT": edited,
        "create": edited,
    }
    action = rest[-1] if call.method == "POST" else call.method
    return action not in conditions or any(conditions[action](move) for move in states)


def _between(moves: list[Move], call: Call) -> list[Move]:
    """The states that could be seen while the call was under way."""
    # A repeated answer tells of the moment when it was given first.
    since = 0.0 if call.key else call.sent_at
    return [
        move
        for place, move in enumerate(moves)
        if move.committed_at <= call.answered_at and (place + 1 == len(moves) or moves[place + 1].committed_at >= since)
    ]
