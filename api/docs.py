"""The OpenAPI document and Swagger UI at /docs/, all from installed packages: it opens with no internet."""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode

from flask import Blueprint, Flask, Response
from flask_swagger_ui.flask_swagger_ui import get_swaggerui_blueprint

from api.extensions import rest_api
from api.headers import CONTENT_SECURITY_POLICY

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
    page = get_swaggerui_blueprint(
        PATH,
        DOCUMENT,
        config={
            "app_name": "Gonets",
            # By default the document's address is sent to a validator on the internet.
            "validatorUrl": None,
            "oauth2RedirectUrl": f"{PATH}/oauth2-redirect.html",
        },
    )
    page.after_request(_allow_own_scripts)
    app.register_blueprint(page)


def _allow_own_scripts(response: Response) -> Response:
    # The package's page has a script in it, which the policy lets run by its hash (CSP level 3, section 2.3.1).
    if response.mimetype == "text/html" and not response.direct_passthrough:
        scripts = re.findall(r"<script>(.*?)</script>", response.get_data(as_text=True), re.DOTALL)
        hashes = (b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
        allowed = " ".join(f"'sha256-{one}'" for one in hashes)
        response.headers["Content-Security-Policy"] = f"{CONTENT_SECURITY_POLICY}; script-src 'self' {allowed}"
    return response
