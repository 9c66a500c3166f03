"""The launcher and the signals that ask it to stop."""

from __future__ import annotations

import os
import subprocess
import sys

from sandbox.supervisor import ROOT
from tests.ports import free_port
from tests.waiting import PATIENCE

# The signal comes while Python removes an object, and what its handler raises goes nowhere.
BADLY_TIMED = """
import os, signal
from sandbox.__main__ import _stop_on_signals
from sandbox.service import Service
from sandbox.settings import LauncherSettings
from sandbox.terminal import Terminal

class Removed:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)

service = Service(LauncherSettings.from_environment(), Terminal())
_stop_on_signals(service)
Removed()
try:
    service.supervise(600)
except KeyboardInterrupt:
    print("stops")
"""


def test_the_launcher_handles_a_signal_at_any_time() -> None:
    environment = {**os.environ, "API_PORT": str(free_port())}

    done = subprocess.run(
        [sys.executable, "-c", BADLY_TIMED],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )

    assert "Exception ignored in" in done.stderr
    assert done.stdout == "stops\n"
