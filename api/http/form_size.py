"""How large a form of the console may be: larger than a body of the API, so that a long text is counted and kept.

The sign-in carries such a form (api/auth/saved_form.py).
"""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, request

MAX_FORM: Final = 2**20
"""Bytes. A Cyrillic letter takes six of them in a form: with the API's limit, a text of 10,900 would be lost."""


def register_form_size(app: Flask) -> None:
    """To be called before anything that reads forms."""
    app.before_request(_allow_long_texts)


def _allow_long_texts() -> None:
    if request.blueprint == "console" or request.endpoint == "sign_in.login":
        request.max_content_length = max(MAX_FORM, current_app.config["MAX_CONTENT_LENGTH"])
