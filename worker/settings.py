"""The worker's settings, from the environment. docs/settings.md has the table."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from shared.config import DEFAULT_DATABASE_URL, LOG_FORMATS, LOG_LEVELS, between, environment, one_of
from shared.database import libpq_url
from shared.errors import ConfigurationError
from shared.gateways.allowed_addresses import Network, allowed_networks
from shared.gateways.callback_addresses import IS_PUBLIC_URL
from shared.opt_out_url import IS_OPT_OUT_URL
from worker.attempt_decision import Retries

NO_GATEWAY = "none"
"""The value of GATEWAY_URL of a worker without the gateway `default`."""

LEASE_MARGIN = 5.0
"""Seconds by which a lease must outlast the deadline of one request: time to record its result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Durations are in seconds."""

    database_dsn: str
    gateway_url: str | None
    """None for a worker that has only the gateways of the database."""
    gateway_token: str | None
    gateway_token_file: str | None
    gateway_connect_timeout: float
    gateway_timeout: float
    gateway_ca_file: str | None
    gateway_proxy: str | None
    gateway_networks: tuple[Network, ...] = ()
    """Networks that are not of the internet, in which gateways of the database may be."""
    gateway_rate: float
    """Requests a second of all workers together; 0 is no limit."""
    price_per_segment: Decimal = Decimal(0)
    """Of a gateway without a price of its own; 0 if it is not known."""
    price_currency: str = ""
    public_url: str = ""
    """The address of the API as providers see it, for their callbacks; empty if they cannot reach it."""
    opt_out_url: str = ""
    """The address before the tokens of links to opt out; empty if messages have none."""
    concurrency: int
    poll_seconds: float
    lease_seconds: float
    stop_seconds: float
    max_attempts: int
    retry_base_seconds: float
    retry_max_seconds: float
    retry_after_max_seconds: float
    launch_chunk: int
    audience_timeout: float
    """Seconds that listing the audience of one mailing may take."""
    retention_days: float
    """Days that the messages of a settled mailing are kept; 0 means without a limit."""
    name: str
    heartbeat_file: str | None
    metrics_host: str
    metrics_port: int
    """The port of the Prometheus endpoint; 0 means none."""
    log_level: str
    log_format: str

    def __post_init__(self) -> None:
        """Raises ConfigurationError for settings that are valid alone but not together."""
        if self.lease_seconds < self.gateway_timeout + LEASE_MARGIN:
            raise ConfigurationError(
                f"LEASE_SECONDS: must be at least GATEWAY_TIMEOUT + {LEASE_MARGIN:g} "
                f"({self.gateway_timeout + LEASE_MARGIN:g}), or a lease would expire while its request is in flight."
            )

    @property
    def retries(self) -> Retries:
        """The limit of attempts, and the backoff."""
        return Retries(self.max_attempts, self.retry_base_seconds, self.retry_max_seconds)

    @classmethod
    def from_environment(cls) -> WorkerSettings:
        """Raises ConfigurationError that names every variable that is missing or wrong."""
        with environment() as env:
            read: dict[str, Any] = {
                "database_dsn": env.str("DATABASE_URL", DEFAULT_DATABASE_URL),
                "gateway_url": _address(env.str("GATEWAY_URL")),
                "gateway_token": env.str("GATEWAY_TOKEN", None),
                "gateway_token_file": env.str("GATEWAY_TOKEN_FILE", None),
                "gateway_connect_timeout": env.float("GATEWAY_CONNECT_TIMEOUT", 3.0, validate=between(0.1, 60.0)),
                "gateway_timeout": env.float("GATEWAY_TIMEOUT", 10.0, validate=between(0.1, 600.0)),
                "gateway_ca_file": env.str("GATEWAY_CA_FILE", None),
                "gateway_proxy": env.str("GATEWAY_PROXY", None),
                "gateway_networks": allowed_networks(env.str("GATEWAY_ALLOWED_NETWORKS", "")),
                "gateway_rate": env.float("GATEWAY_RATE", 0.0, validate=between(0.0, 1_000_000.0)),
                "price_per_segment": env.decimal("PRICE_PER_SEGMENT", Decimal(0), validate=between(0, 1_000_000)),
                "price_currency": env.str("PRICE_CURRENCY", ""),
                "public_url": env.str("PUBLIC_URL", "", validate=IS_PUBLIC_URL),
                "opt_out_url": env.str("OPT_OUT_URL", "", validate=IS_OPT_OUT_URL),
                "concurrency": env.int("WORKER_CONCURRENCY", 256, validate=between(1, 4096)),
                "poll_seconds": env.float("WORKER_POLL_SECONDS", 5.0, validate=between(0.05, 60.0)),
                "lease_seconds": env.float("LEASE_SECONDS", 30.0, validate=between(1.0, 3600.0)),
                "stop_seconds": env.float("WORKER_STOP_SECONDS", 10.0, validate=between(0.0, 600.0)),
                "max_attempts": env.int("MAX_ATTEMPTS", 10, validate=between(1, 1000)),
                "retry_base_seconds": env.float("RETRY_BASE_SECONDS", 2.0, validate=between(0.01, 3600.0)),
                "retry_max_seconds": env.float("RETRY_MAX_SECONDS", 300.0, validate=between(0.01, 86400.0)),
                "retry_after_max_seconds": env.float("RETRY_AFTER_MAX_SECONDS", 900.0, validate=between(0.0, 86400.0)),
                "launch_chunk": env.int("LAUNCH_CHUNK", 20_000, validate=between(1, 100_000)),
                "audience_timeout": env.float("AUDIENCE_TIMEOUT", 300.0, validate=between(1.0, 86400.0)),
                "retention_days": env.float("RETENTION_DAYS", 0.0, validate=between(0.0, 36_500.0)),
                "name": _unique_name(env.str("WORKER_NAME", "") or socket.gethostname()),
                "heartbeat_file": env.str("WORKER_HEARTBEAT_FILE", None),
                "metrics_host": env.str("WORKER_METRICS_HOST", "127.0.0.1"),
                "metrics_port": env.int("WORKER_METRICS_PORT", 0, validate=between(0, 65535)),
                "log_level": env.str("LOG_LEVEL", "INFO", validate=one_of(*LOG_LEVELS)),
                "log_format": env.str("LOG_FORMAT", "auto", validate=one_of(*LOG_FORMATS)),
            }
        return cls(**{**read, "database_dsn": libpq_url(read["database_dsn"])})


def _address(url: str) -> str | None:
    return None if url == NO_GATEWAY else url


OBSOLETE = {"GATEWAY_ADAPTER": "It has no effect: there is one HTTP client. Remove the setting."}
"""Settings of earlier versions, and a hint for each."""


def obsolete_settings() -> dict[str, str]:
    """Those that are set, with the hint. An empty value counts as not set."""
    return {name: hint for name, hint in OBSOLETE.items() if os.environ.get(name)}


def _unique_name(name: str) -> str:
    """The name with a unique suffix: claims are found by it, and all replicas have the same setting.

    The suffix is the pid and a random part: containers all run as pid 1, and a host reuses pids.
    """
    return f"{name}-{os.getpid()}-{secrets.token_hex(4)}"
