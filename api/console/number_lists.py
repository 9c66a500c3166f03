"""Number lists: the list, the page of one, uploading and removing one."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import marshmallow as ma
from flask import current_app, render_template, request, url_for
from werkzeug import Response
from werkzeug.exceptions import HTTPException

from api.audit.recorder import nothing_changed, set_operation
from api.clients.import_upload import open_body
from api.clients.line_reader import LineReader
from api.console.blueprint import blp
from api.console.flash_messages import Notice, set_notice, take_notice
from api.console.forms import Form
from api.console.labels import translated, translated_errors
from api.console.paging import paged
from api.console.phone_regions import regions
from api.number_lists import queries, services
from api.number_lists.new_clients import NewClients
from api.number_lists.number_lines import NumberLines
from api.number_lists.schemas import UploadArguments
from api.permissions import requires
from shared.domain.phone_numbers import numbers_of
from shared.domain.roles import Role
from shared.errors import FieldError, NotFound

OPTIONS = ("name", "create_clients", "tag", "timezone", "default_region")
"""What is said of an upload."""


@blp.get("/number-lists/")
@requires(Role.VIEWER)
def number_lists() -> str:
    """The list of number lists."""
    found = paged(queries.number_lists_after, lambda row: int(row.id), 0)
    return render_template("console/number_lists.html", found=found, notice=take_notice())


@blp.get("/number-lists/<id:number_list_id>/")
@requires(Role.VIEWER)
def number_list(number_list_id: int) -> str:
    """One number list."""
    found = queries.number_list_by_id(number_list_id)
    return render_template("console/number_list.html", list=found)


@blp.get("/number-lists/new/")
@requires(Role.OPERATOR)
def new_number_list() -> str:
    """The page to choose a file, or to paste numbers."""
    default_region = current_app.config["DEFAULT_REGION"]
    return render_template("console/number_list_form.html", regions=regions(), default_region=default_region)


@blp.post("/number-lists/file/")
@requires(Role.OPERATOR)
def number_list_file() -> str:
    """Adds the list of the numbers in the body, and returns its report as a part of the page, also if it is refused.

    It needs no form token: a second list of the same name is refused.
    """
    set_operation("createNumberList")
    report: dict[str, Any] = {"uploaded": None, "faults": []}
    try:
        stream = open_body(request, current_app.config["MAX_IMPORT_BYTES"])
        report["uploaded"] = _upload(request.args, stream)
    except ma.ValidationError as error:
        report["faults"] = [text for texts in translated_errors(error).values() for text in texts]
    except FieldError as error:
        report["faults"] = [translated(error.sentence)]
    except HTTPException as error:
        report["faults"] = [translated(error.description or "")]
    return render_template("console/number_list_report.html", **report)


@blp.route("/number-lists/<id:number_list_id>/remove/", methods=["GET", "POST"])
@requires(Role.OPERATOR)
def remove_number_list(number_list_id: int) -> str | Response | tuple[str, int]:
    """Asks for confirmation and removes a list."""
    form = Form({}, refused_with=409)

    def remove() -> str:
        # It commits several times, so another submission of the form may have removed the list by now.
        try:
            services.remove(number_list_id)
        except NotFound:
            nothing_changed()
        set_notice(Notice("removed"))
        return url_for("console.number_lists")

    done = form.submit(remove, operation="deleteNumberList")
    if done:
        return done
    found = queries.number_list_by_id(number_list_id)
    return render_template("console/number_list_remove.html", list=found, form=form), form.status


def _upload(values: Mapping[str, str], stream: io.RawIOBase) -> services.Uploaded:
    """Adds the list. Raises ValidationError, FieldError, and HTTPException for a file that can't be read."""
    given = {
        name: values[name] for name in OPTIONS if values.get(name) or (name == "default_region" and name in values)
    }
    arguments = UploadArguments().load(given)
    numbers = numbers_of(arguments.get("default_region", current_app.config["DEFAULT_REGION"]))
    new = NewClients(arguments["tag"], arguments.get("timezone")) if arguments["create_clients"] else None
    return services.upload(
        arguments["name"], NumberLines(LineReader(stream, request.mimetype_params.get("charset", "")), numbers), new
    )
