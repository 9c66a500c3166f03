"""The metrics of the API for Prometheus: its requests, and the state of the ledger.

docs/operations.md describes each metric.
"""

from __future__ import annotations

import os
import time

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector

from api.metrics.collector import LedgerCollector
from api.permissions import requires
from shared.domain.roles import Role
from shared.version import VERSION

DURATION_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0)
"""The histogram's bounds in seconds: from a read by key to the statement timeout."""


def register_metrics(app: Flask) -> None:
    """Counts the application's requests, and serves the metrics at /metrics.

    Several processes share the directory PROMETHEUS_MULTIPROC_DIR, which api/gunicorn.py creates. Without it, a process
    reports only its own requests.
    """
    disable_created_metrics()
    own = CollectorRegistry()
    requests = Counter(
        "gonets_http_requests", "Requests that were handled.", ["method", "path", "status"], registry=own
    )
    seconds = Histogram(
        "gonets_http_request_seconds",
        "Seconds until the response began.",
        ["path"],
        buckets=DURATION_BUCKETS,
        registry=own,
    )
    # Each process writes 1, so the maximum is needed, not the sum.
    build = Gauge(
        "gonets_build_info", "1, labelled with the version.", ["version"], registry=own, multiprocess_mode="max"
    )
    build.labels(VERSION).set(1)

    def count_request(method: str, path: str, status: int, took: float | None) -> None:
        """Counts a request: `path` is a pattern, and `took` is in seconds."""
        requests.labels(method if method in _METHODS else "other", path, status).inc()
        if took is not None:
            seconds.labels(path).observe(took)

    # For what is answered in front of Flask.
    app.extensions["count_request"] = count_request

    @app.before_request
    def start_clock() -> None:
        g.started = time.perf_counter()

    @app.after_request
    def count(response: Response) -> Response:
        # The rule and not the path: each id or unknown path would create a series.
        path = request.url_rule.rule.rstrip("/") or "/" if request.url_rule else "none"
        took = time.perf_counter() - g.started if "started" in g else None
        count_request(request.method, path, response.status_code, took)
        return response

    blp = Blueprint("metrics", __name__)

    @blp.get("/metrics")
    @requires(Role.VIEWER)
    def scrape() -> Response:
        scraped = CollectorRegistry()
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            MultiProcessCollector(scraped)
        else:
            scraped.register(own)
        scraped.register(LedgerCollector())
        return Response(generate_latest(scraped), content_type=CONTENT_TYPE_LATEST)

    app.register_blueprint(blp)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
