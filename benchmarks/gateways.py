"""The gateway: an nginx that answers every message with success, at once or after a while, and logs each."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import requests

from benchmarks.processes import Child, program
from sandbox.listen_addresses import free_port

CONFIGURATION = Path(__file__).with_name("nginx.conf").read_text()
ACCEPTED = """return 200 '{"code": 0, "message": "OK"}';"""
LATE = "auth_basic gateway; auth_basic_user_file {users}; auth_delay {latency}ms; error_page 401 =200 @accepted;"
"""nginx waits before it refuses somebody whom it does not know, which is made an acceptance here."""
FLUSHED = 0.3
"""Seconds after which nginx has certainly written its log: three flushes."""


class Served(NamedTuple):
    """What a gateway has served; moments are seconds since the epoch, when a request was answered."""

    requests: int
    distinct: int
    """Message ids among them: fewer than requests when something was sent twice."""
    first: float
    last: float


class Gateway:
    """A running gateway."""

    def __init__(self, pid: int, url: str, log: Path) -> None:
        self.pid = pid
        self.url = url
        self._log = log
        self._read_to = self._looks = 0

    def requests(self) -> int:
        """Requests since the start, but for these looks; only differences count."""
        status = requests.get(f"{self.url}/status", timeout=10).text
        numbers = re.search(r"\n\s*\d+ \d+ (\d+)", status)
        assert numbers, status
        self._looks += 1
        return int(numbers[1]) - self._looks

    def forget(self) -> None:
        """Leaves out of `served` what has been served until now."""
        time.sleep(FLUSHED)
        self._read_to = self._log.stat().st_size

    def served(self) -> Served:
        """The messages served since `forget`, by nginx's log."""
        time.sleep(FLUSHED)
        with self._log.open("rb") as log:
            log.seek(self._read_to)
            lines = [line.split() for line in log]
        moments = [float(moment) for moment, _ in lines] or [0.0]
        return Served(len(lines), len({path for _, path in lines}), min(moments), max(moments))


@contextlib.contextmanager
def running(folder: Path, latency: float) -> Iterator[Gateway]:
    """A gateway that answers after so many seconds. Raises ConfigurationError when nginx is missing."""
    path, port, answer = nginx(), free_port(8090), ACCEPTED
    if latency:
        answer = LATE.format(users=os.devnull, latency=round(latency * 1000))
    user = "user root;" if os.geteuid() == 0 else ""
    configuration = CONFIGURATION.format(folder=folder, port=port, user=user, answer=answer, accepted=ACCEPTED)
    (folder / "nginx.conf").write_text(configuration)
    url, command = f"http://127.0.0.1:{port}", [path, "-p", str(folder), "-c", str(folder / "nginx.conf")]
    with Child("nginx", command, folder / "output.log") as child:
        child.wait_until_it_answers(f"{url}/status")
        yield Gateway(child.pid, url, folder / "served.log")


def nginx() -> str:
    """nginx's path, which is not in an ordinary user's PATH on Debian. Raises ConfigurationError when it is missing."""
    return program("nginx", "on Debian and Ubuntu: apt install nginx-light", "/usr/sbin:/usr/local/sbin")


def nginx_version() -> str:
    """Its version."""
    said = subprocess.run([nginx(), "-v"], capture_output=True, text=True, check=True).stderr
    return said.strip().rpartition("/")[2]
