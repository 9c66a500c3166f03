"""The version of Gonets, in the only place where it stands: setup.cfg, the API and `/metrics` read it here."""

from __future__ import annotations

VERSION = "0.2.0"
