"""What is known about a number as sentences, each with its time, in the viewer's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext

from api.ledger_labels import KINDS, LEDGER_LABELS, REASONS, SCOPES, SOURCES
from api.messages.delivery_schemas import UNDELIVERED_MEANINGS
from api.numbers.evidence_parts import Row
from shared.domain.delivery import UndeliveredReason
from shared.domain.reasons import sentence

Event = tuple[str, str]
"""A time, as the JSON document has it, and a sentence without its full stop."""

LABELS: Mapping[Any, Any] = {
    **LEDGER_LABELS,
    **KINDS,
    "createClient": lazy_gettext("added"),
    "updateClient": lazy_gettext("changed"),
    "deleteClient": lazy_gettext("removed"),
    "eraseNumber": lazy_gettext("erased"),
    "stop": lazy_gettext("no more messages"),
    "start": lazy_gettext("messages again"),
    "help": lazy_gettext("help"),
    "nothing": lazy_gettext("nothing was to be done"),
}


def events(part: str, row: Row) -> Iterator[Event]:
    """What happened, of one row of a part. Parts that say nothing of a time have no events."""
    for at, said in _OF_PART[part](row) if part in _OF_PART else ():
        if at is not None:
            yield at, said


def _label(value: object, labels: Mapping[Any, Any] = LABELS) -> str:
    return str(labels.get(value, value))


def _who(row: Row, name: str = "recorded_by") -> str:
    return str(row[name] or _("Gonets, automatically"))


def _proof(evidence: Mapping[str, Any] | None) -> str:
    if not evidence:
        return ""
    written = ", ".join(f"{name}: {value}" for name, value in evidence.items() if value is not None)
    return _("; evidence: %(evidence)s", evidence=written)


def _of_client(row: Row) -> Iterator[tuple[str | None, str]]:
    if "created_at" in row:
        yield row["created_at"], _("client %(client)s was added to the directory", client=row["id"])
    for entry in row["history"]:
        done = _label(entry["operation"])
        changes = {name: value for name, value in (entry["detail"] or {}).items() if isinstance(value, list)}
        detail = "".join(f"; {name}: {before} → {after}" for name, (before, after) in changes.items())
        said = _("client %(client)s: %(done)s by %(who)s", client=row["id"], done=done, who=entry["actor_name"])
        yield entry["at"], said + detail


def _of_consent(row: Row) -> Iterator[tuple[str | None, str]]:
    consent = {"consent": row["id"], "purpose": _label(row["purpose"])}
    yield (
        row["given_at"],
        _(
            "consent %(consent)s to %(purpose)s was given: %(method)s; wording: «%(wording)s»",
            **consent,
            method=row["method"],
            wording=row["wording"],
        )
        + _proof(row["evidence"]),
    )
    yield (
        row["recorded_at"],
        _(
            "consent %(consent)s to %(purpose)s was recorded %(source)s; by: %(who)s",
            **consent,
            source=_label(row["source"], SOURCES),
            who=_who(row),
        ),
    )
    yield (
        row["withdrawn_at"],
        _("consent %(consent)s to %(purpose)s was withdrawn", **consent) + _proof(row["withdrawal_evidence"]),
    )
    yield (
        row["withdrawal_recorded_at"],
        _(
            "the withdrawal of consent %(consent)s was recorded; by: %(who)s",
            consent=row["id"],
            who=_who(row, "withdrawal_recorded_by"),
        ),
    )


def _of_suppression(row: Row) -> Iterator[tuple[str | None, str]]:
    scope = _label(row["scope"], SCOPES) + (f" ({row['gateway']})" if row["gateway"] else "")
    yield (
        row["recorded_at"],
        _(
            "suppression %(suppression)s: the number must not get %(scope)s; recorded %(source)s; by: %(who)s; "
            "reason: %(reason)s",
            suppression=row["id"],
            scope=scope,
            source=_label(row["source"], SOURCES),
            who=_who(row),
            reason=_label(row["reason"], REASONS),
        )
        + _proof(row["evidence"]),
    )
    yield (
        row["lifted_at"],
        _(
            "suppression %(suppression)s (%(scope)s) was lifted; by: %(who)s",
            suppression=row["id"],
            scope=scope,
            who=_who(row, "lifted_by"),
        )
        + _proof(row["lift_evidence"]),
    )


def _of_message(row: Row) -> Iterator[tuple[str | None, str]]:
    message = {"message": row["id"]}
    text = row["text"] if row["text"] is not None else row["template"]
    yield (
        row["created_at"],
        _(
            "message %(message)s of mailing %(mailing)s (%(kind)s) was added; text: «%(text)s»",
            **message,
            mailing=row["mailing"]["id"],
            kind=_label(row["mailing"]["kind"]),
            text=text,
        ),
    )
    for attempt in row["attempts"]:
        said = _(
            "message %(message)s: attempt %(number)s, handed to gateway %(gateway)s: %(result)s",
            **message,
            number=attempt["number"],
            gateway=attempt["gateway"],
            result=_label(attempt["result"]),
        )
        if attempt["provider_message_id"]:
            said += _("; the provider's id: %(id)s", id=attempt["provider_message_id"])
        yield attempt["started_at"], said + _reason(attempt)
    for receipt in row["receipts"]:
        said = _("message %(message)s: the provider reports: %(state)s", **message, state=_label(receipt["state"]))
        yield receipt["event_at"] or receipt["received_at"], said + _undelivered(receipt["reason"])
    if row["status"] != "sent":
        said = _("message %(message)s ended: %(status)s", **message, status=_label(row["status"]))
        yield row["ended_at"], said + _reason(row)
    else:
        yield row["sent_at"], _("message %(message)s: its sending was recorded", **message)


def _of_inbound(row: Row) -> Iterator[tuple[str | None, str]]:
    yield (
        row["received_at"],
        _("inbound message %(message)s came from the number: «%(text)s»", message=row["id"], text=row["text"]),
    )
    if row["keyword"]:
        yield (
            row["decided_at"],
            _(
                "keyword “%(keyword)s” in inbound message %(message)s was decided: %(action)s; by: %(who)s",
                keyword=row["keyword"],
                message=row["id"],
                action=_label(row["decision"]),
                who=_who(row, "decided_by"),
            ),
        )
    yield row["answered_at"], _("inbound message %(message)s was answered", message=row["id"])


def _of_erasure(row: Row) -> Iterator[tuple[str | None, str]]:
    reason = (row["detail"] or {}).get("reason", "")
    said = _("data about the number was erased by %(who)s; reason: %(reason)s", who=row["actor_name"], reason=reason)
    yield row["at"], said


def _reason(row: Row) -> str:
    if row["reason_code"] is None:
        return ""
    said = sentence(row["reason_code"], row["reason_params"], _, _label)
    return _("; reason: %(reason)s", reason=said)


def _undelivered(reason: str | None) -> str:
    if reason is None:
        return ""
    return _("; reason: %(reason)s", reason=_(UNDELIVERED_MEANINGS[UndeliveredReason(reason)]))


_OF_PART = {
    "clients": _of_client,
    "consents": _of_consent,
    "suppressions": _of_suppression,
    "messages": _of_message,
    "inbound_messages": _of_inbound,
    "erasures": _of_erasure,
}
