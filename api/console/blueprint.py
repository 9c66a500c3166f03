"""The console's blueprint and the rendering of its pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import BadRequest

from shared.domain.sentences import ErrorCode

blp = Blueprint("console", __name__, template_folder="templates")

ASSETS = ("console.static",)


def page(name: str, **values: Any) -> str:
    """Renders a page; for `?part=live` only its live part, `NAME_live.html`."""
    live = request.args.get("part") == "live"
    return render_template(f"console/{name}_live.html" if live else f"console/{name}.html", **values)


@blp.before_request
def refuse_nul() -> None:
    """Raises BadRequest for a query with a NUL, which PostgreSQL can't store.

    A form's fields are checked by the schemas that load them, which name the field.
    """
    if any("\0" in text for pair in request.args.items(multi=True) for text in pair):
        raise BadRequest(ErrorCode.NUL_IN_ADDRESS())


@blp.after_request
def set_cache_headers(response: Response) -> Response:
    """Pages contain personal and live data: no cache may store them. Assets have headers of their own."""
    if request.endpoint not in ASSETS:
        response.cache_control.no_store = True
        response.vary.update(("Cookie", "Accept-Language"))
    return response
