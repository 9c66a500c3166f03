"""Routes of messages: the list, and the forms that add, change and remove one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from flask import render_template, request, url_for
from werkzeug import Response

from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form, check_unchanged
from api.console.text_lists import split_list
from api.gateways.queries import gateways_after
from api.message_routes import queries, services
from api.message_routes.schemas import RouteBody
from api.permissions import requires
from shared.domain.roles import Role

LISTED = 1000


@blp.get("/routes/")
@requires(Role.VIEWER)
def routes() -> str:
    """The list of routes."""
    found = queries.routes_after(0, LISTED)
    return render_template("console/routes.html", routes=found, notice=take_notice())


@blp.route("/routes/new/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def new_route() -> str | Response | tuple[str, int]:
    """Adds a route."""
    form = Form(request.form or {"mode": "order"})

    def add() -> str:
        services.add_route(RouteBody().load(_fields(form.values)))
        set_notice(Notice("added"))
        return url_for("console.routes")

    done = form.submit(add, operation="createRoute")
    return done or _show(form)


@blp.route("/routes/<id:route_id>/edit/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def edit_route(route_id: int) -> str | Response | tuple[str, int]:
    """Changes a route."""
    route = queries.route_by_id(route_id)
    if request.method != "POST":
        return _show(Form(_values_of(route)), route)
    form = Form(request.form)

    def change() -> str:
        values = {"name": route["name"], **form.values} if route_id == queries.DEFAULT_ROUTE_ID else form.values
        fields = RouteBody().load(_fields(values))
        locked = services.lock_route(route_id)
        check_unchanged(locked)
        services.change_route(locked, fields)
        set_notice(Notice("changed"))
        return url_for("console.routes")

    done = form.submit(change, operation="updateRoute")
    if done:
        return done
    route = queries.route_by_id(route_id)
    if form.is_in_conflict:
        form.compare({}, route["updated_at"], None)
    return _show(form, route)


@blp.route("/routes/<id:route_id>/remove/", methods=["GET", "POST"])
@requires(Role.ADMIN)
def remove_route(route_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a route."""
    form = Form({}, refused_with=409)

    def remove() -> str:
        services.remove_route(services.lock_route(route_id))
        set_notice(Notice("removed"))
        return url_for("console.routes")

    done = form.submit(remove, operation="deleteRoute")
    if done:
        return done
    return render_template("console/route_remove.html", route=queries.route_by_id(route_id), form=form), form.status


def _values_of(route: Mapping[str, Any]) -> dict[str, Any]:
    listed = route["gateways"]
    is_weighted = listed[0].weight is not None
    places = {f"place.{one.gateway}": str(place) for place, one in enumerate(listed, start=1)}
    weights = {f"weight.{one.gateway}": str(one.weight) for one in listed if is_weighted}
    return {
        "name": route["name"],
        "mode": "weights" if is_weighted else "order",
        "prefixes": " ".join(route["prefixes"]),
        "operator_codes": " ".join(route["operator_codes"]),
        **({} if is_weighted else places),
        **weights,
    }


def _fields(values: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a form as a body of the API has them."""
    beginning = "weight." if values.get("mode") == "weights" else "place."
    typed = {
        name.removeprefix(beginning): str(text).strip()
        for name, text in values.items()
        if name.startswith(beginning) and str(text).strip()
    }
    numbers = {name: int(text) if re.fullmatch("[0-9]{1,9}", text) else -1 for name, text in typed.items()}
    if beginning == "weight.":
        gateways: list[dict[str, Any]] = [{"gateway": name, "weight": weight} for name, weight in numbers.items()]
    else:
        gateways = [{"gateway": name} for name in sorted(numbers, key=lambda name: (numbers[name], name))]
    return {
        "name": values.get("name", ""),
        "gateways": gateways,
        "prefixes": split_list(values.get("prefixes", "")),
        "operator_codes": split_list(values.get("operator_codes", "")),
    }


def _show(form: Form, route: Mapping[str, Any] | None = None) -> tuple[str, int]:
    names = [gateway["name"] for gateway in gateways_after(0, LISTED)]
    is_default = route is not None and route["id"] == queries.DEFAULT_ROUTE_ID
    shown = {"form": form, "route": route, "names": names, "is_default": is_default}
    return render_template("console/route_form.html", **shown), form.status
