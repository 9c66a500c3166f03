"""Reasons of messages and attempts, and details of a history, in the viewer's language, by code and parameters."""

from __future__ import annotations

from typing import Protocol

from flask_babel import gettext

from api.console.labels import label, translated
from shared.domain.reasons import Parameters, sentence
from shared.domain.sentences import EventDetail, sentence_of


class Reasoned(Protocol):
    """An attempt, a worker's report, the last contact with a gateway."""

    @property
    def provider_code(self) -> str | None: ...

    @property
    def reason_code(self) -> str | None: ...

    @property
    def reason_params(self) -> Parameters | None: ...


class Event(Protocol):
    """An entry of a mailing's history."""

    @property
    def detail(self) -> str | None: ...

    @property
    def detail_code(self) -> str | None: ...

    @property
    def detail_params(self) -> Parameters | None: ...


def event_detail(of: Event) -> str:
    """The detail of an entry; in English if it has no code."""
    if of.detail_code is None:
        return of.detail or ""
    return translated(sentence_of(of.detail_code, of.detail_params or {}, EventDetail))


def reason_text(code: str | None, parameters: Parameters | None) -> str:
    """The sentence of a code, followed by the text of the gateway or the system; empty without a code."""
    return "" if code is None else sentence(code, parameters, gettext, label)


def reason(of: Reasoned) -> str:
    """The reason of an attempt, a report or a contact."""
    return reason_text(of.reason_code, of.reason_params)


def provider_code(of: Reasoned) -> str:
    """The provider's code with its label; empty if there was none."""
    return gettext("code %(code)s", code=of.provider_code) if of.provider_code else ""


def gateway_response(of: Reasoned) -> str:
    """The provider's code and the reason, if any."""
    return ": ".join(filter(None, (provider_code(of), reason(of))))
