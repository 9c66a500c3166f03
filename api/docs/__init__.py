"""The OpenAPI document and Swagger UI at /docs/, served from installed packages: no internet access is needed."""

from __future__ import annotations

import json
from pathlib import Path

import flask_swagger_ui
from flask import Blueprint, Flask, Response, make_response, render_template, session, url_for

from api.auth import csrf
from api.http.openapi import rest_api
from api.http.static_files import Assets
from api.permissions import public

PATH = "/docs"
DOCUMENT = "openapi.json"
SWAGGER_UI = Path(flask_swagger_ui.__file__).parent / "dist"
OURS = Path(__file__).parent / "static"
FILES = ("swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png")


def register_docs(app: Flask) -> None:
    """Serves the document of the resources registered so far: call it after them."""
    body = json.dumps(rest_api.spec.to_dict(), ensure_ascii=False).encode()
    files = [*(SWAGGER_UI / name for name in FILES), *OURS.iterdir()]
    assets = Assets({DOCUMENT: lambda: body} | {file.name: file.read_bytes for file in files})
    blp = Blueprint("docs", __name__, url_prefix=PATH, template_folder="templates")

    @blp.get("/")
    @public
    def page() -> Response:
        def address(name: str) -> str:
            return url_for("docs.asset", version=assets.version, name=name)

        document = url_for("docs.asset", name=DOCUMENT)
        # With a session, so that requests from this page may write, like those of the console.
        token = csrf.token() if "token" in session else None
        response = make_response(render_template("docs/page.html", asset=address, document=document, csrf_token=token))
        response.cache_control.no_store = True
        response.vary.add("Cookie")
        return response

    @blp.get("/<name>", defaults={"version": None})
    @blp.get("/<version>/<name>")
    @public
    def asset(name: str, version: str | None) -> Response:
        return assets.serve(name, version)

    app.register_blueprint(blp)
