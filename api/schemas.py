"""What all schemas have in common."""

from __future__ import annotations

import marshmallow as ma


class Answer(ma.Schema):
    """The schema of an answer. It may get more fields one day: a client is to overlook what it doesn't know."""

    class Meta:
        """In OpenAPI's terms: additional properties are not forbidden."""

        unknown = ma.EXCLUDE


class Body(ma.Schema):
    """The schema of a body. A name that there is not is refused: a misspelt one would be lost otherwise."""

    class Meta:
        """In OpenAPI's terms: additional properties are forbidden."""

        unknown = ma.RAISE

    error_messages = {"type": "Must be a JSON object."}
