"""The version of Gonets. It is defined only here; setup.cfg, the API and `/metrics` read it."""

from __future__ import annotations

VERSION = "0.2.0"
