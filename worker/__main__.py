"""`python -m worker`: runs a worker until SIGTERM or SIGINT. worker/app.py assembles it."""

from __future__ import annotations

import os
import signal
import sys

if __name__ == "__main__":
    # The imports below take time, and there is nothing to clean up yet. An import could swallow an exception.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import gc
import logging
import threading

from shared.errors import ConfigurationError
from shared.logs import configure_logs
from worker.app import assemble, daily_report, raise_open_file_limit
from worker.gateway_token import Token
from worker.settings import WorkerSettings, obsolete_settings

log = logging.getLogger("worker")


def main() -> int:
    """Exit status: 0 after a signal, 2 for a missing or wrong setting, 130 for Ctrl-C at the prompt for the token."""
    stop, wake = threading.Event(), threading.Event()
    try:
        settings = WorkerSettings.from_environment()
        configure_logs(settings.log_level, settings.log_format)
        for setting, hint in obsolete_settings().items():
            log.warning("setting.obsolete", extra={"setting": setting, "hint": hint})
        has_default = settings.gateway_url is not None
        token = Token(settings.gateway_token, settings.gateway_token_file) if has_default else None
        # After the prompt for a token, which Ctrl-C may end, and before any thread starts: all threads inherit the
        # mask, and only the one that waits for these signals receives them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        raise_open_file_limit(settings.concurrency)
        loop = assemble(settings, token, stop, wake)
        report = daily_report(settings, stop)
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  for the person who started it
        return 2
    gc.freeze()  # loaded modules stay in memory: the garbage collector need not scan them
    threading.Thread(target=_stop_on_signal, args=(stop, wake), name="signals", daemon=True).start()
    if report is not None:
        threading.Thread(target=report.run, name="daily report", daemon=True).start()
    log.info("worker.started", extra={"worker": settings.name, "concurrency": settings.concurrency})
    loop.run()
    return 0


def _stop_on_signal(stop: threading.Event, wake: threading.Event) -> None:
    """Waits for the signal in a thread: a handler could run while the main thread holds a lock."""
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    stop.set()
    wake.set()


if __name__ == "__main__":
    sys.exit(main())
