"""The rules of sending: defaults of new mailings, what is required of all, and the replies to keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from babel import Locale
from flask import render_template, request, url_for
from flask_babel import get_locale
from werkzeug import Response

from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.rule_inputs import RULE_FIELDS, USUAL, read_rule_inputs, rule_choices
from api.console.rule_words import WINDOWS
from api.http.fields import whole_number
from api.mailings.written_rules import LocalWindowChoice, read_rules, written_amount, written_window
from api.permissions import requires
from api.sending_rules import queries, services
from api.sending_rules.schemas import MAX_CAPS, SendingRulesBody
from shared.domain.keyword_replies import REPLIES
from shared.domain.roles import Role
from shared.domain.sentences import ErrorCode
from shared.domain.suppressions import KeywordAction
from shared.domain.text_segments import segments_of

CAP_ROWS = 4
"""Rows for caps, at least; there is always an empty one while there may be more caps."""

NO_REPLY = "no_reply."
"""How the names of the check boxes begin for keywords without a reply."""


@blp.route("/sending-rules/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def sending_rules() -> str | Response | tuple[str, int]:
    """Shows and changes the rules, apart from the replies to keywords."""
    if request.method != "POST":
        return _show(Form(_values_of(queries.sending_rules())))
    form = Form(_read_form())

    def change() -> str:
        _change(_fields(form.values))
        return url_for("console.sending_rules")

    done = form.submit(change, operation="updateSendingRules") if "change" not in request.form else None
    if done:
        return done
    return _show(form, queries.sending_rules())


@blp.route("/sending-rules/replies/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def keyword_replies() -> str | Response | tuple[str, int]:
    """Shows and changes the texts that answer keywords."""
    rules = queries.sending_rules()
    form = Form(request.form if request.method == "POST" else _written_replies(rules))

    def change() -> str:
        _change({"replies": _replies(form.values), "reply_language": form.values.get("reply_language", "")})
        return url_for("console.keyword_replies")

    done = form.submit(change, operation="updateSendingRules")
    if done:
        return done
    rules = queries.sending_rules()
    if form.is_in_conflict:
        form.compare({}, rules["updated_at"], None)
    shown = {"form": form, "rules": rules, "languages_of_replies": _language_names(), "actions": list(KeywordAction)}
    shown |= {"defaults": REPLIES, "segments_of": segments_of, "notice": take_notice()}
    return render_template("console/keyword_replies.html", **shown), form.status


def _change(fields: Mapping[str, Any]) -> None:
    given = SendingRulesBody().load(fields)
    locked = services.lock_rules()
    check_unchanged(locked)
    services.change_rules(locked, queries.sending_rules(), given)
    set_notice(Notice("changed"))


def _read_form() -> dict[str, Any]:
    values: dict[str, Any] = {name: text for name, text in request.form.items() if name not in RULE_FIELDS}
    return {**values, **read_rule_inputs(request.form)}


def _values_of(rules: Mapping[str, Any]) -> dict[str, Any]:
    has_window = rules["local_from"] is not None
    window = written_window(rules if has_window else {**rules, **USUAL})
    values = {
        **window,
        "local_window": (LocalWindowChoice.OWN if has_window else LocalWindowChoice.NONE).value,
        "daily_spending_limit": written_amount(rules["daily_spending_limit"]),
        "spending_currency": rules["spending_currency"] or "",
    }
    for place, cap in enumerate(rules["caps"]):
        values |= {f"cap_messages.{place}": str(cap.messages), f"cap_hours.{place}": str(cap.period_hours)}
    return values | {name: "on" for name in ("requires_consent", "requires_approval") if rules[name]}


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the form as a body of the API has them. Raises ValidationError for half a cap."""
    names = ("local_window", "local_from", "local_until", "local_weekdays", "holiday_calendar_id", "spending_currency")
    fields = read_rules({name: values.get(name, "") for name in names})
    limit = str(values.get("daily_spending_limit", "")).strip().replace(",", ".")
    return {
        **fields,
        # It also counts for mailings with a window of their own.
        "default_timezone": str(values.get("default_timezone", "")).strip() or None,
        "daily_spending_limit": limit or None,
        "requires_consent": "requires_consent" in values,
        "requires_approval": "requires_approval" in values,
        "caps": _caps(values),
    }


def _caps(values: Mapping[str, Any]) -> list[dict[str, int]]:
    caps = []
    for place in range(MAX_CAPS):
        typed = [str(values.get(f"{name}.{place}", "")).strip() for name in ("cap_messages", "cap_hours")]
        numbers = [whole_number(text) for text in typed]
        if any(typed) and None in numbers:
            raise ma.ValidationError({"caps": [ErrorCode.CAP_IS_NOT_WHOLE()]})
        if any(typed):
            caps.append({"messages": numbers[0] or 0, "period_hours": numbers[1] or 0})
    return caps


def _written_replies(rules: Mapping[str, Any]) -> dict[str, str]:
    """The inputs for replies: empty where the default text answers."""
    values = {"reply_language": rules["reply_language"]}
    for action, texts in rules["replies"].items():
        for language, text in texts.items():
            values[f"{action}.{language}" if text is not None else f"{NO_REPLY}{action}.{language}"] = text or "on"
    return values


def _replies(values: Mapping[str, Any]) -> dict[str, dict[str, str | None]]:
    replies: dict[str, dict[str, str | None]] = {}
    for action in KeywordAction:
        for language in REPLIES:
            name = f"{action.value}.{language}"
            text = str(values.get(name, "")).replace("\r\n", "\n").strip()
            if NO_REPLY + name in values:
                replies.setdefault(action.value, {})[language] = None
            elif text and text != REPLIES[language][action]:
                replies.setdefault(action.value, {})[language] = text
    return replies


def _language_names() -> dict[str, str]:
    """The names of the languages of replies, in the viewer's language."""
    viewer = get_locale() or Locale("en")
    return {code: str(viewer.languages.get(code, code)) for code in REPLIES}


def _show(form: Form, rules: Mapping[str, Any] | None = None) -> tuple[str, int]:
    rules = rules or queries.sending_rules()
    if form.is_in_conflict:
        form.compare({}, rules["updated_at"], None)
    choices = rule_choices(is_added=True) | {
        "windows": [(choice.value, WINDOWS[choice]) for choice in (LocalWindowChoice.OWN, LocalWindowChoice.NONE)]
    }
    filled = sum(1 for name in form.values if name.startswith("cap_messages.") and form.values[name])
    shown = {"form": form, "rules": rules, "rule_choices": choices, "notice": take_notice()}
    shown["cap_rows"] = min(MAX_CAPS, max(CAP_ROWS, filled + 1))
    return render_template("console/sending_rules.html", **shown), form.status
