"""`python -m tests.started_command`: says what a process finds when it starts, waits for SIGTERM and exits with 7."""

from __future__ import annotations

import json
import os
import signal
import sys
import time

if __name__ == "__main__":
    found = {
        "arguments": sys.argv,
        "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "group": os.getpgrp(),
        "handlers": {str(number): str(signal.getsignal(number)) for number in signal.valid_signals()},
        "input": sys.stdin.read(),
        "open": sorted(os.listdir("/dev/fd")),
        "path": sys.path,
        "session": os.getsid(0),
        "time zone": time.tzname,
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
    print(json.dumps(found), flush=True)
    print("an error", file=sys.stderr)
    while True:
        signal.pause()
