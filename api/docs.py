"""The OpenAPI document and Swagger UI at /docs/, all from installed packages: it opens with no internet."""

from __future__ import annotations

import json

from flask import Blueprint, Flask, Response
from flask_swagger_ui.flask_swagger_ui import get_swaggerui_blueprint

from api.extensions import rest_api

PATH = "/docs"
DOCUMENT = f"{PATH}/openapi.json"


def register_docs(app: Flask) -> None:
    """Serves the document of what is registered by now: call it after the resources."""
    body = json.dumps(rest_api.spec.to_dict(), ensure_ascii=False)
    document = Blueprint("openapi", __name__)

    @document.get(DOCUMENT)
    def openapi() -> Response:
        return Response(body, content_type="application/json")

    app.register_blueprint(document)
    app.register_blueprint(
        get_swaggerui_blueprint(
            PATH,
            DOCUMENT,
            config={
                "app_name": "Gonets",
                # By default the document's address is sent to a validator on the internet.
                "validatorUrl": None,
                "oauth2RedirectUrl": f"{PATH}/oauth2-redirect.html",
            },
        )
    )
