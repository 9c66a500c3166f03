"""A gateway that costs next to nothing: a local nginx that answers every message with success, and logs each."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from pathlib import Path

import requests

from benchmarks.gateways import Served, wait_until_it_answers
from benchmarks.processes import Child, Server
from sandbox.addresses import free_port
from shared.errors import ConfigurationError

INSTALL = "nginx is missing; on Debian and Ubuntu: apt install nginx-light"

CONFIGURATION = """
daemon off;
worker_processes {processes};
pid {folder}/nginx.pid;
error_log stderr warn;
{user}
events {{ worker_connections 8192; }}
http {{
    # What was answered, and when: written in blocks, so that it costs little.
    log_format ledger '$msec $status $uri';
    access_log {folder}/served.log ledger buffer=256k flush=100ms;
    client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
    uwsgi_temp_path {folder}; scgi_temp_path {folder};
    keepalive_requests 1000000000;
    keepalive_timeout 600s;
    tcp_nodelay on;
    default_type application/json;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location /send/ {{ return 200 '{{"code": 0, "message": "OK"}}'; }}
        location = /status {{ access_log off; stub_status; }}
    }}
}}
"""


def program() -> str | None:
    """nginx's path: Debian keeps it where an ordinary user's PATH does not lead."""
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def version() -> str | None:
    """Its version; none when it isn't installed."""
    if (path := program()) is None:
        return None
    said = subprocess.run([path, "-v"], capture_output=True, text=True, check=True).stderr
    return said.strip().rpartition("/")[2]


class Nginx(Server):
    """The running nginx; a context manager."""

    token = "benchmark"  # noqa: S105  it asks for none, and the worker must have one
    latency = 0.0

    def __init__(self, folder: Path, processes: int = 1) -> None:
        """Raises ConfigurationError when nginx isn't installed."""
        path = program()
        if path is None:
            raise ConfigurationError(INSTALL)
        self.name = f"nginx {version()}"
        folder.mkdir(parents=True)
        self._log = folder / "served.log"
        port = free_port(8090)
        self.url = f"http://127.0.0.1:{port}"
        user = "user root;" if Path("/proc/self").owner() == "root" else ""
        written = CONFIGURATION.format(folder=folder, port=port, processes=processes, user=user)
        (folder / "nginx.conf").write_text(written)
        child = Child("nginx", [path, "-p", str(folder), "-c", str(folder / "nginx.conf")], folder / "nginx.out")
        super().__init__(child)
        self._read_to = 0
        self._looks = 0
        wait_until_it_answers(child, f"{self.url}/status")

    def requests(self) -> int:
        """Requests since the start, without these looks: for progress bars."""
        said = requests.get(f"{self.url}/status", timeout=10).text
        numbers = re.search(r"\n\s*\d+ \d+ (\d+)", said)
        assert numbers, said
        self._looks += 1
        return int(numbers[1]) - self._looks

    def forget(self) -> None:
        """Leaves out of `served` what has been served until now."""
        time.sleep(0.3)  # three of nginx's flushes
        self._read_to = self._log.stat().st_size

    def served(self) -> Served:
        """The messages served since `forget`, by nginx's own log."""
        time.sleep(0.3)
        ids: set[bytes] = set()
        requests, first, last = 0, float("inf"), 0.0
        with self._log.open("rb") as log:
            log.seek(self._read_to)
            for line in log:
                moment, status, path = line.split()
                assert status == b"200", line
                requests += 1
                ids.add(path)
                first, last = min(first, float(moment)), max(last, float(moment))
        return Served(requests, len(ids), first, last)
