"""The API's settings, from the environment. docs/settings.md has the table."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from environs import validate
from sqlalchemy import URL

from api.database_pool import prepare
from api.database_url import database_url
from api.oidc_settings import ProviderSettings
from api.server.wsgi_adapter import DOWNLOAD_THREADS, UPLOADS
from shared.config import DEFAULT_DATABASE_URL, LOG_FORMATS, LOG_LEVELS, between, environment, one_of
from shared.credentials import CredentialCipher
from shared.database import CONNECT_OPTIONS
from shared.domain.numbering_plans import REGIONS
from shared.gateways.allowed_addresses import Network, allowed_networks
from shared.gateways.callback_addresses import IS_PUBLIC_URL
from shared.json_parameter import json_parameter
from shared.opt_out_url import IS_OPT_OUT_URL

API_KEY_FORMAT = validate.Regexp(r"\A(?:[!-~]{16,})?\Z", error="must be at least 16 characters of visible ASCII.")
"""Long enough that it can't be guessed over the network."""

REGION = validate.OneOf(("", *REGIONS), error="must be the two letters of a country (ISO 3166-1), such as RU.")

METRICS = ("loopback", "key", "open")
"""Callers that may read /metrics without a key: those on this machine, none, or all."""

POOL_TIMEOUT = 5.0
"""Seconds that a request waits for a database connection while all are in use."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The settings of the API. The defaults are for tests and for a first try."""

    database_url: URL
    threads: int = 4
    """Threads for requests, per process."""
    max_body_bytes: int = 65_536
    max_import_bytes: int = 2**30
    statement_timeout: float = 15.0
    """Seconds that one statement of a request may take."""
    segment_timeout: float = 5.0
    """Seconds that the clients of a segment are counted for."""
    api_key: str | None = field(default=None, repr=False)
    """An admin's key, besides those in the database."""
    secret_key: str | None = field(default=None, repr=False)
    """The secret that cookies are signed with; by default, one in the database."""
    rate: float = 1000.0
    """Requests a second of one key or one person; 0: no limit."""
    anonymous_rate: float = 50.0
    """Requests a second from one address without a valid key; 0: no limit."""
    trusted_proxies: int = 0
    """The number of proxies whose X-Forwarded-* headers are trusted."""
    metrics: str = "loopback"
    """Callers that may read /metrics without a key: one of METRICS."""
    provider: ProviderSettings | None = None
    gateway_rate: float = 0.0
    """Requests a second of all workers together, as in the workers' settings; 0: no limit. Used in estimates."""
    price_per_segment: Decimal = Decimal(0)
    """The price of one segment of a text; 0: unknown."""
    price_currency: str = ""
    """The currency of the price, as it is displayed."""
    default_region: str | None = None
    """The country (ISO 3166-1) whose phone numbers may omit the country code."""
    cipher: CredentialCipher = field(default_factory=lambda: CredentialCipher([]), repr=False, compare=False)
    """Encrypts the credentials of gateways. Without a key, none can be stored."""
    gateway_networks: tuple[Network, ...] = ()
    """Networks that are not of the internet, in which gateways may be nevertheless."""
    public_url: str = ""
    """The address of the API as the internet sees it, which providers call."""
    opt_out_url: str = ""
    """The address of the pages on which recipients opt out, as they see it."""
    send_grace: float = 30.0
    """Seconds from the click that sends a mailing in the console to its start; until then, it can be undone."""
    log_level: str = "INFO"
    log_format: str = "auto"

    @classmethod
    def from_environment(cls) -> ApiSettings:
        """Raises a ConfigurationError that names every invalid variable."""
        with environment() as env:
            read: dict[str, Any] = {
                "database_url": env.str("DATABASE_URL", DEFAULT_DATABASE_URL),
                "threads": env.int("API_THREADS", 4, validate=between(1, 256)),
                "max_body_bytes": env.int("API_MAX_BODY_BYTES", 65_536, validate=between(1024, 2**30)),
                "max_import_bytes": env.int("API_MAX_IMPORT_BYTES", 2**30, validate=between(1024, 2**40)),
                "statement_timeout": env.float("API_STATEMENT_TIMEOUT", 15.0, validate=between(0.1, 3600.0)),
                "segment_timeout": env.float("SEGMENT_TIMEOUT", 5.0, validate=between(0.1, 3600.0)),
                "api_key": env.str("API_KEY", "", validate=API_KEY_FORMAT) or None,
                "secret_key": env.str("SECRET_KEY", "", validate=API_KEY_FORMAT) or None,
                "rate": env.float("API_RATE", 1000.0, validate=between(0.0, 1e6)),
                "anonymous_rate": env.float("API_ANONYMOUS_RATE", 50.0, validate=between(0.0, 1e6)),
                "trusted_proxies": env.int("TRUSTED_PROXIES", 0, validate=between(0, 10)),
                "metrics": env.str("API_METRICS", "loopback", validate=one_of(*METRICS)),
                "gateway_rate": env.float("GATEWAY_RATE", 0.0, validate=between(0.0, 1_000_000.0)),
                "price_per_segment": env.decimal("PRICE_PER_SEGMENT", Decimal(0), validate=between(0, 1_000_000)),
                "price_currency": env.str("PRICE_CURRENCY", ""),
                "default_region": env.str("DEFAULT_REGION", "", validate=REGION) or None,
                "public_url": env.str("PUBLIC_URL", "", validate=IS_PUBLIC_URL),
                "opt_out_url": env.str("OPT_OUT_URL", "", validate=IS_OPT_OUT_URL),
                "send_grace": env.float("SEND_GRACE_SECONDS", 30.0, validate=between(0.0, 3600.0)),
                "log_level": env.str("LOG_LEVEL", "INFO", validate=one_of(*LOG_LEVELS)),
                "log_format": env.str("LOG_FORMAT", "auto", validate=one_of(*LOG_FORMATS)),
            }
            provider = ProviderSettings.read(env)
            networks = env.str("GATEWAY_ALLOWED_NETWORKS", "")
        read |= {"database_url": database_url(read["database_url"]), "provider": ProviderSettings.of(provider)}
        read |= {"cipher": CredentialCipher.from_environment(), "gateway_networks": allowed_networks(networks)}
        return cls(**read)

    def flask_config(self) -> dict[str, Any]:
        """The settings in the names of Flask and its extensions."""
        return {
            "MAX_CONTENT_LENGTH": self.max_body_bytes,
            "SECRET_KEY": self.secret_key,
            "CREDENTIAL_CIPHER": self.cipher,
            "GATEWAY_NETWORKS": self.gateway_networks,
            "GATEWAY_RATE": self.gateway_rate,
            "PRICE_PER_SEGMENT": self.price_per_segment,
            "PRICE_CURRENCY": self.price_currency,
            "DEFAULT_REGION": self.default_region,
            "PUBLIC_URL": self.public_url,
            "OPT_OUT_URL": self.opt_out_url,
            "ANONYMOUS_RATE": self.anonymous_rate,
            "SEND_GRACE_SECONDS": self.send_grace,
            "SEGMENT_TIMEOUT": self.segment_timeout,
            "MAX_IMPORT_BYTES": self.max_import_bytes,
            "SQLALCHEMY_DATABASE_URI": self.database_url,
            "SQLALCHEMY_ENGINE_OPTIONS": {
                "connect_args": {
                    **CONNECT_OPTIONS,
                    "application_name": "gonets-api",
                    "options": f"{self._given_options()} {self._own_options()}".strip(),
                },
                # Whatever the database's default is: decisions after a lock need a snapshot newer than the lock.
                "isolation_level": "READ COMMITTED",
                "pool_events": [(prepare, "checkout")],
                "json_serializer": json_parameter,
                # One for each thread, kept open; as many again for peaks.
                "pool_size": self.threads + UPLOADS + DOWNLOAD_THREADS,
                "max_overflow": self.threads + UPLOADS + DOWNLOAD_THREADS,
                "pool_timeout": POOL_TIMEOUT,
                # Logs contain statements, but not their parameters (phone numbers, texts).
                "hide_parameters": True,
            },
        }

    def _given_options(self) -> str:
        given = self.database_url.query.get("options", "")
        return given if isinstance(given, str) else " ".join(given)

    def _own_options(self) -> str:
        # UTC: the server's time zone could move a late date beyond the years that Python supports.
        # No jit: compiling takes longer than any query here.
        # Idle: a request that hangs between two statements must not keep a mailing locked from the workers.
        milliseconds = int(self.statement_timeout * 1000)
        return (
            f"-c timezone=UTC -c jit=off -c statement_timeout={milliseconds} "
            f"-c idle_in_transaction_session_timeout={milliseconds}"
        )
