"""`python -m api.healthcheck`: a container's health check of the API on this machine."""

from __future__ import annotations

import os
import sys
from http.client import HTTPConnection, HTTPException

TIMEOUT = 2.0


def is_healthy(port: int) -> bool:
    """Whether `GET /healthz` on this port returns 200 within two seconds."""
    connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(0 if is_healthy(int(os.environ.get("API_PORT", "8000"))) else 1)
