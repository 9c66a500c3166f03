"""The reasons of messages and attempts in the viewer's language, by code and parameters."""

from __future__ import annotations

from typing import Protocol

from flask_babel import gettext

from api.console.labels import label
from shared.domain.reasons import SENTENCES, Parameters, ReasonCode


class Reasoned(Protocol):
    """An attempt, a worker's report, the last contact with a gateway."""

    @property
    def provider_code(self) -> str | None: ...

    @property
    def reason_code(self) -> str | None: ...

    @property
    def reason_params(self) -> Parameters | None: ...


def reason_text(code: str | None, parameters: Parameters | None) -> str:
    """The sentence of a code, followed by the text of the gateway or the system; empty without a code."""
    if code is None:
        return ""
    given = parameters or {}
    words = given.get("words")
    try:
        sentence = gettext(SENTENCES[ReasonCode(code)])
    except ValueError:
        sentence = code  # of a later version
    if code == ReasonCode.PROVIDER_SAID:
        text = f"{sentence} {words}" if words else gettext("The gateway refused it without a word")
    else:
        text = f"{sentence} ({words})" if words else sentence
    if late := given.get("late_result"):
        text += "; " + gettext("the result came later: %(result)s", result=label(str(late)))
        text += f" ({given['late_words']})" if "late_words" in given else ""
    return text


def reason(of: Reasoned) -> str:
    """The reason of an attempt, a report or a contact."""
    return reason_text(of.reason_code, of.reason_params)


def provider_code(of: Reasoned) -> str:
    """The provider's code with its label; empty if there was none."""
    return gettext("code %(code)s", code=of.provider_code) if of.provider_code else ""


def said_by_gateway(of: Reasoned) -> str:
    """The provider's code and the reason, if any."""
    return ": ".join(filter(None, (provider_code(of), reason(of))))
