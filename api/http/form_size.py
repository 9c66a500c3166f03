"""The size limit of console forms: larger than a body of the API, so that a text that is too long is counted, not lost.

The sign-in also receives such a form (api/auth/saved_form.py).
"""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app, request

MAX_FORM: Final = 2**20
"""Bytes. A Cyrillic letter takes six bytes in a form: the API's limit would reject a text of 10,900 letters."""


def register_form_size(app: Flask) -> None:
    """Sets the limit. Call it before anything that reads forms."""
    app.before_request(_allow_long_texts)


def _allow_long_texts() -> None:
    if request.blueprint == "console" or request.endpoint == "sign_in.login":
        request.max_content_length = max(MAX_FORM, current_app.config["MAX_CONTENT_LENGTH"])
