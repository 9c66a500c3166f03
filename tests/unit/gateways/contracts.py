"""A short declared contract for tests."""

from __future__ import annotations

from hypothesis import settings

MINIMAL = """\
credentials = ["key"]

[request]
method = "POST"
path = "/send"
body = "form"

[request.fields]
key = "{key}"
to = "{phone}"
text = "{text}"

[answer]
format = "text"
code = '^(\\w+)'

[results]
OK = "accepted"
"""


def declared(old: str, new: str) -> str:
    """The minimal contract with one change."""
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


quickly = settings(deadline=None, max_examples=30, database=None)
"""Settings of properties."""
