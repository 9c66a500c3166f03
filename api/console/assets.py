"""Styles, scripts and icons, all served from here: Bootstrap's out of an installed package, the rest our own."""

from __future__ import annotations

import functools
import hashlib
import re
from pathlib import Path

import flask_bootstrap
from flask import Response, send_file, url_for
from markupsafe import Markup

from api.console.blueprint import blp

BOOTSTRAP = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5"
STYLES = BOOTSTRAP / "css" / "bootstrap.min.css"
ALL_ICONS = BOOTSTRAP / "icons" / "bootstrap-icons.svg"
OWN = Path(__file__).parent / "static"

# The package has two thousand icons in one file of a megabyte.
ICONS = (
    "arrow-repeat",
    "box-arrow-right",
    "broadcast",
    "check-circle-fill",
    "check-lg",
    "circle",
    "download",
    "exclamation-octagon-fill",
    "exclamation-triangle-fill",
    "info-circle-fill",
    "journal-text",
    "code-slash",
    "people",
    "plus-lg",
    "search",
    "send",
    "speedometer2",
    "upload",
    "x-lg",
)


@blp.get("/static/bootstrap.min.css")
def bootstrap() -> Response:
    """Bootstrap's styles."""
    return send_file(STYLES)


@blp.get("/static/icons.svg")
def icons() -> Response:
    """The icons that pages use, as one SVG of symbols."""
    return Response(_sprite(), mimetype="image/svg+xml")


@blp.app_template_global()
def asset(name: str) -> str:
    """The address of one of our own files, or of `bootstrap.min.css`; another one when the file changes."""
    file = STYLES if name == STYLES.name else OWN / name
    return url_for("console.static", filename=name, v=_version(file))


@blp.app_template_global()
def icon(name: str) -> Markup:
    """An icon that says nothing by itself: there are words beside it."""
    address = url_for("console.icons", v=_version(ALL_ICONS))
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(address, name)


@functools.cache
def _version(file: Path) -> str:
    return hashlib.blake2b(file.read_bytes(), digest_size=6).hexdigest()


@functools.cache
def _sprite() -> str:
    drawn = ALL_ICONS.read_text()
    symbols = (re.search(rf'<symbol [^>]*id="{re.escape(name)}">.*?</symbol>', drawn, re.DOTALL) for name in ICONS)
    found = "".join(symbol[0] for symbol in symbols if symbol)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{found}</svg>'
