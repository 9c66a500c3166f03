"""The launcher's settings, from the environment. docs/settings.md has the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from environs import validate

from shared.config import between, environment

OPTIONAL_DEMO = validate.OneOf(("", "demo"), error="must be demo, or empty.")


@dataclass(frozen=True, slots=True, kw_only=True)
class LauncherSettings:
    """Without `database_url` the launcher runs a database in `data_dir`; without `gateway_url`, a simulated gateway."""

    database_url: str | None
    gateway_url: str | None
    gateway_token: str | None
    gateway_token_file: str | None
    gateway_port: int
    """The simulated gateway's; if it is in use, a free one is chosen."""
    failover_demo: bool
    """Whether to show a mailing over two simulated providers."""
    api_key: str | None
    """An admin key; without one, the launcher creates one in `data_dir`."""
    api_host: str
    api_port: int
    workers: int
    data_dir: Path

    @classmethod
    def from_environment(cls) -> LauncherSettings:
        """Raises ConfigurationError that names every invalid variable. An empty variable counts as not set."""
        with environment() as env:
            return cls(
                database_url=env.str("DATABASE_URL", "") or None,
                gateway_url=env.str("GATEWAY_URL", "") or None,
                gateway_token=env.str("GATEWAY_TOKEN", "") or None,
                gateway_token_file=env.str("GATEWAY_TOKEN_FILE", "") or None,
                gateway_port=env.int("SANDBOX_GATEWAY_PORT", 8081, validate=between(1, 65535)),
                failover_demo=env.str("GATEWAYS", "", validate=OPTIONAL_DEMO) == "demo",
                api_key=env.str("API_KEY", "") or None,
                api_host=env.str("API_HOST", "127.0.0.1"),
                api_port=env.int("API_PORT", 8000, validate=between(1, 65535)),
                workers=env.int("WORKERS", 1, validate=between(0, 64)),
                data_dir=Path(env.str("DATA_DIR", "") or ".data"),
            )
