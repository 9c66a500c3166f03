"""For how long the response to a request with an Idempotency-Key is stored."""

from __future__ import annotations

from datetime import timedelta

IDEMPOTENCY_TTL = timedelta(hours=24)
"""The API stops repeating a response after it; the workers' retention removes what is older."""
