"""docker-compose.yml, read as Compose reads it: for tests that need no container engine."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import yaml  # type: ignore[import-untyped]

from tests.database import ROOT

# ${NAME}, ${NAME-default} and ${NAME:-default} (Compose file reference, Interpolation).
_VARIABLE = re.compile(r"\$\{(\w+)(?:(:?-)([^}]*))?\}")


def services(settings: Mapping[str, str] | None = None) -> dict[str, dict[str, Any]]:
    """The services by name, with what `.env` would set put in."""
    document = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    found: dict[str, dict[str, Any]] = _interpolated(document["services"], settings or {})
    return found


def seconds(duration: str) -> float:
    """A duration such as `1m30s`, whose parts are added up."""
    units = {"s": 1, "m": 60, "h": 3600}
    parts = re.findall(r"([0-9.]+)([smh])", duration)
    assert "".join(number + unit for number, unit in parts) == duration
    return sum(float(number) * units[unit] for number, unit in parts)


def _interpolated(node: Any, settings: Mapping[str, str]) -> Any:
    if isinstance(node, dict):
        return {key: _interpolated(value, settings) for key, value in node.items()}
    if isinstance(node, list):
        return [_interpolated(value, settings) for value in node]
    return _VARIABLE.sub(lambda match: _value(match, settings), node) if isinstance(node, str) else node


def _value(match: re.Match[str], settings: Mapping[str, str]) -> str:
    name, mark, default = match[1], match[2], match[3] or ""
    given = settings.get(name)
    return default if given is None or (mark == ":-" and not given) else given
