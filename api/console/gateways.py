"""Gateways: the list with their states, and the forms that add, change, test, pause and remove one."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp, page
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.labels import translated
from api.console.pending_work import pending_work
from api.console.text_lists import split_list
from api.gateways import queries, services
from api.gateways.queries import GatewayRow
from api.gateways.schemas import GatewayBody, GatewayChangeBody, GatewayTestBody
from api.mailings.gateway_test import test_gateway
from api.permissions import requires
from api.workers.queries import fleet
from shared.domain.roles import Role
from shared.gateways.base import DEFAULT_GATEWAY, Provider
from shared.gateways.registry import PROVIDERS

LISTED = 1000

OPTIONS, CREDENTIALS = "options.", "credentials."
"""How the names of a provider's fields begin in a form."""


SWITCHES = ("receipts", "poll_receipts")
SHOWN: tuple[str, ...] = ("address", "sender", "rate", "concurrency", "receipt_hours", "min_delivery_percent")
SHOWN += ("segment_price", "currency")


@blp.get("/gateways/")
@requires(Role.ADMIN)
def gateways() -> str:
    """The list of gateways, with what the workers say of each."""
    workers = fleet()
    states = {state.name: state for state in workers.gateways}
    rows = [(gateway, states.get(gateway["name"])) for gateway in queries.gateways_after(0, LISTED)]
    return page("gateways", rows=rows, fleet=workers, providers=PROVIDERS, notice=take_notice())


@blp.route("/gateways/new/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def new_gateway() -> str | Response | tuple[str, int]:
    """Adds a gateway: first its provider is chosen, which decides what the form asks for."""
    provider = PROVIDERS.get(request.form.get("provider") or request.args.get("provider", ""))
    if provider is None:
        return render_template("console/gateway_provider.html", providers=PROVIDERS.values())
    form = Form(request.form or _initial_values(provider))

    def add() -> str:
        fields = _fields(form.values, provider)
        services.add_gateway(GatewayBody().load(fields | {"name": form.values.get("name", "").strip()}))
        set_notice(Notice("added"))
        return url_for("console.gateways")

    done = form.submit(add, operation="createGateway")
    return done or _show(form, provider)


@blp.route("/gateways/<id:gateway_id>/edit/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def edit_gateway(gateway_id: int) -> str | Response | tuple[str, int]:
    """Changes a gateway. A credential that is left empty stays as it is."""
    gateway = queries.gateway_by_id(gateway_id)
    provider = PROVIDERS[gateway["provider"]]
    if request.method != "POST":
        return _show(Form(_values_of(gateway)), provider, gateway)
    form = Form(request.form)

    def change() -> str:
        fields = _fields(form.values, provider, is_default=gateway["name"] == DEFAULT_GATEWAY)
        fields["credentials"] = {name: text for name, text in fields.get("credentials", {}).items() if text}
        fields.pop("provider", None)
        fields["same_account"] = "same_account" in form.values
        locked = services.lock_gateway(gateway_id)
        check_unchanged(locked)
        services.change_gateway(locked, GatewayChangeBody().load(fields))
        set_notice(Notice("changed"))
        return url_for("console.gateways")

    done = form.submit(change, operation="updateGateway")
    if done:
        return done
    gateway = queries.gateway_by_id(gateway_id)
    if form.is_in_conflict:
        form.compare({}, gateway["updated_at"], None)
    return _show(form, provider, gateway)


@blp.route("/gateways/<id:gateway_id>/pause/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def pause_gateway(gateway_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and pauses a gateway."""
    return _confirmed(gateway_id, "pause", "pauseGateway", services.pause_gateway)


@blp.route("/gateways/<id:gateway_id>/resume/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def resume_gateway(gateway_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and resumes a gateway."""
    return _confirmed(gateway_id, "resume", "resumeGateway", services.resume_gateway)


@blp.route("/gateways/<id:gateway_id>/remove/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def remove_gateway(gateway_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a gateway."""
    return _confirmed(gateway_id, "remove", "deleteGateway", services.remove_gateway)


@blp.route("/gateways/<id:gateway_id>/test/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def gateway_test(gateway_id: int) -> str | Response | tuple[str, int]:
    """Sends one message to one client through a gateway."""
    form = Form(request.form)

    def send() -> str:
        test = test_gateway(gateway_id, **form.load(GatewayTestBody()))
        return url_for("console.message", message_id=test.message_id)

    done = form.submit(send, operation="testGateway")
    if done:
        return done
    return render_template(
        "console/gateway_test.html", gateway=queries.gateway_by_id(gateway_id), form=form
    ), form.status


def _confirmed(
    gateway_id: int, action: str, operation: str, work: Callable[[GatewayRow], None]
) -> str | Response | tuple[str, int]:
    form = Form({}, refused_with=409)

    def perform() -> str:
        work(services.lock_gateway(gateway_id))
        set_notice(Notice(action))
        return url_for("console.gateways")

    done = form.submit(perform, operation=operation)
    if done:
        return done
    shown = {"gateway": queries.gateway_by_id(gateway_id), "action": action, "form": form}
    shown["due"] = pending_work(fleet()).due
    return render_template("console/gateway_confirm.html", **shown), form.status


def _initial_values(provider: Provider) -> dict[str, Any]:
    defaults = {OPTIONS + field.name: field.default for field in provider.fields if not field.secret}
    return {**defaults, "rate": "0", "receipt_hours": "72"}


def _values_of(gateway: Mapping[str, Any]) -> dict[str, Any]:
    values = {OPTIONS + name: text for name, text in gateway["options"].items()}
    for name in SHOWN:
        values[name] = "" if gateway[name] is None else f"{gateway[name]:g}" if name == "rate" else str(gateway[name])
    if gateway["segment_price"] is not None:
        values["segment_price"] = f"{gateway['segment_price'].normalize():f}"
    values["no_receipt_prefixes"] = " ".join(gateway["no_receipt_prefixes"])
    return values | {name: "on" for name in SWITCHES if gateway[name]}


def _fields(values: Mapping[str, Any], provider: Provider, *, is_default: bool = False) -> dict[str, Any]:
    """The fields of a form as a body of the API has them."""
    typed = {name: str(text).strip() for name, text in values.items()}
    fields: dict[str, Any] = {name: name in values for name in SWITCHES}
    fields["receipt_hours"] = _whole(typed.get("receipt_hours", ""))
    fields["no_receipt_prefixes"] = split_list(typed.get("no_receipt_prefixes", ""))
    percent = typed.get("min_delivery_percent", "").removesuffix("%").rstrip()
    fields["min_delivery_percent"] = _whole(percent) if percent else None
    for name in ("segment_price", "currency"):
        fields[name] = typed.get(name, "").replace(",", ".") or None
    if is_default:
        return fields
    fields |= {
        "provider": provider.name,
        "address": typed.get("address", ""),
        "sender": typed.get("sender", ""),
        "rate": _number(typed.get("rate", "").replace(",", ".") or "0"),
        "concurrency": _whole(typed.get("concurrency", "")) if typed.get("concurrency") else None,
        "options": {},
        "credentials": {},
    }
    for field in provider.fields:
        place, beginning = ("credentials", CREDENTIALS) if field.secret else ("options", OPTIONS)
        fields[place][field.name] = str(values.get(beginning + field.name, ""))
    return fields


def _whole(text: str) -> int | str:
    """The number in ASCII digits; any other text as it is, which the schema refuses."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else text


def _number(text: str) -> float | str:
    """The decimal number; any other text as it is, which the schema refuses."""
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) else text


def _show(form: Form, provider: Provider, gateway: Mapping[str, Any] | None = None) -> tuple[str, int]:
    shown: dict[str, Any] = {"form": form, "provider": provider, "gateway": gateway}
    if gateway:
        callbacks = queries.callback_addresses(gateway["id"])
        shown["callbacks"] = callbacks._replace(reason=callbacks.reason and translated(callbacks.reason))
    return render_template("console/gateway_form.html", **shown), form.status
