"""Styles, scripts and icons, all served by the API: Bootstrap from an installed package, the rest from this package."""

from __future__ import annotations

import re
from pathlib import Path

import flask_bootstrap
from flask import Response, url_for
from markupsafe import Markup

from api.console.blueprint import blp
from api.http.static_files import Assets
from api.permissions import public

BOOTSTRAP = Path(flask_bootstrap.__file__).parent / "static" / "bootstrap5"
STYLES = BOOTSTRAP / "css" / "bootstrap.min.css"
ALL_ICONS = BOOTSTRAP / "icons" / "bootstrap-icons.svg"
OWN = Path(__file__).parent / "static"
SPRITE = "icons.svg"

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
    "inbox",
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


def _sprite() -> bytes:
    drawn = ALL_ICONS.read_text()
    symbols = (re.search(rf'<symbol [^>]*id="{re.escape(name)}">.*?</symbol>', drawn, re.DOTALL) for name in ICONS)
    found = "".join(symbol[0] for symbol in symbols if symbol)
    return f'<svg xmlns="http://www.w3.org/2000/svg">{found}</svg>'.encode()


assets = Assets(
    {file.name: file.read_bytes for file in OWN.iterdir()} | {STYLES.name: STYLES.read_bytes, SPRITE: _sprite}
)


@blp.get("/static/<name>", defaults={"version": None})
@blp.get("/static/<version>/<name>")
@public
def static(name: str, version: str | None) -> Response:
    """One of our own files, Bootstrap's styles, or the icons that pages use, as one SVG of symbols."""
    return assets.serve(name, version)


@blp.app_template_global()
def asset(name: str) -> str:
    """The address of an asset, with a version that changes when any asset changes."""
    return url_for("console.static", version=assets.version, name=name)


@blp.app_template_global()
def icon(name: str) -> Markup:
    """A decorative icon, hidden from screen readers."""
    return Markup('<svg class="icon" aria-hidden="true"><use href="{}#{}"></use></svg>').format(asset(SPRITE), name)
