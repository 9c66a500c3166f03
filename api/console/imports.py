"""Importing clients from a file: a page whose script sends the file to the API and shows how far it is."""

from __future__ import annotations

from flask import current_app, render_template

from api.console.blueprint import blp
from api.console.regions import regions


@blp.get("/clients/import/")
def import_clients() -> str:
    """Choose a file; what is wrong with which of its rows comes back as a file of its own."""
    default_region = current_app.config["DEFAULT_REGION"]
    return render_template("console/import.html", regions=regions(), default_region=default_region)
