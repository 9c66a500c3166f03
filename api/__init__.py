"""The HTTP API and the console. `create_app()` is what gunicorn (`api:create_app()`) and `flask --app api` call."""

from __future__ import annotations

from api.app import create_app

__all__ = ["create_app"]
