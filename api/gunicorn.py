"""gunicorn's settings: `gunicorn --config python:api.gunicorn 'api:create_app()'`. They come from the environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

from api.app import create_app
from api.auth.bootstrap_key import show_bootstrap_key
from api.callbacks.asgi_route import callbacks_in_front
from api.server.gunicorn_worker import ApiWorker
from shared.config import between, environment, exit_if_wrong

with exit_if_wrong(), environment() as env:
    host = env.str("API_HOST", "127.0.0.1")
    port = env.int("API_PORT", 8000, validate=between(1, 65535))
    workers = env.int("API_WORKERS", 2, validate=between(1, 64))
    threads = env.int("API_THREADS", 4, validate=between(1, 256))
    stall_timeout = env.float("API_STALL_TIMEOUT", 30.0, validate=between(0.1, 3600.0))
    max_body_bytes = env.int("API_MAX_BODY_BYTES", 65_536, validate=between(1024, 2**30))

bind = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
worker_class = ApiWorker
ApiWorker.in_front = callbacks_in_front
ApiWorker.adapter_options = {"max_body": max_body_bytes, "threads": threads, "timeout": stall_timeout}
# Per process. With its other files, within the default limit of 1024 open files.
worker_connections = 500
keepalive = 5
# Newer versions would create a control socket in the home directory, which a container's user does not have.
control_socket_disable = True
# Requests end within API_STATEMENT_TIMEOUT; those that still run after this are aborted.
graceful_timeout = 20
# No access log: its lines would contain phone numbers from query strings.
accesslog = None


# The directory of the processes' shared metrics: a new one at each start, so that old counts are not continued.
# It must be set before prometheus_client is imported.
_metrics_folder = tempfile.mkdtemp(prefix="gonets-metrics-")
os.environ["PROMETHEUS_MULTIPROC_DIR"] = _metrics_folder


def on_starting(_server: Any) -> None:
    """Before the serving processes are forked: creates the bootstrap key if there is none."""
    show_bootstrap_key(create_app())


def on_exit(_server: Any) -> None:
    """Removes the directory of metrics."""
    shutil.rmtree(_metrics_folder, ignore_errors=True)
