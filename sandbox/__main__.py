"""`python -m sandbox`, which is `make run`: the whole service on this machine, until Ctrl-C.

sandbox/service.py starts it.

Exit status: 0 after Ctrl-C (or SIGTERM, SIGHUP), 2 for a setting that is missing or wrong, 1 for a failure.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

if sys.version_info < (3, 11):  # noqa: UP036  before the imports that an older Python can't read
    sys.exit(f"Gonets needs Python 3.11 or newer, and this is {sys.version.split()[0]}.")

from sandbox.api_client import ApiClient
from sandbox.demo import run_demo
from sandbox.failover_demo import run_failover_demo
from sandbox.service import Service
from sandbox.settings import LauncherSettings
from sandbox.terminal import Terminal, display_path
from shared.errors import ConfigurationError, GonetsError

REPEATED_SIGNAL_SECONDS = 0.5
"""Seconds in which a second signal counts as the first one again: make forwards what its process group got as well."""


def main() -> int:
    """Runs everything and returns the exit status; an error is one sentence on standard error."""
    terminal = Terminal()
    try:
        _run(LauncherSettings.from_environment(), terminal)
    except KeyboardInterrupt:
        return 0
    except (GonetsError, OSError) as error:
        sentence = f"{error.filename or 'The system'}: {error.strerror}." if isinstance(error, OSError) else error
        terminal.clear()
        print(sentence, file=sys.stderr)
        return 2 if isinstance(error, ConfigurationError) else 1
    return 0


def _run(settings: LauncherSettings, terminal: Terminal) -> None:
    service = Service(settings, terminal)
    _stop_on_signals(service)
    try:
        service.start()
        with ApiClient(service.api_url, service.api_key) as api:
            _print_addresses(service, api, terminal)
            (run_failover_demo if service.demo_urls else run_demo)(service, api, terminal)
        while True:
            service.supervise(60)
    except KeyboardInterrupt:
        terminal.status_line("Stopping: the workers finish what is in flight…")
    finally:
        service.stop()
    terminal.say("Stopped. The data is kept for the next start.")


def _stop_on_signals(service: Service) -> None:
    """The first signal raises KeyboardInterrupt; a later one kills what has not stopped yet."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        requested_at = time.monotonic()

        def kill(_number: int, _frame: FrameType | None) -> None:
            if time.monotonic() - requested_at > REPEATED_SIGNAL_SECONDS:
                service.kill()

        _on_stop_signals(kill)
        service.stop_requested = True
        raise KeyboardInterrupt

    _on_stop_signals(interrupt)


def _on_stop_signals(handler: Callable[[int, FrameType | None], None]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # Under nohup, SIGHUP is ignored: the service keeps running when the terminal closes.
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


def _print_addresses(service: Service, api: ApiClient, terminal: Terminal) -> None:
    key = f"$(cat {display_path(service.key_file)})" if service.key_file else "$API_KEY"
    link = api.post("/v1/sign-in-link/create/")
    terminal.say()
    terminal.say(f"  open: {service.api_url}{link['path']}")
    terminal.say("        (signs your browser in: once, within ten minutes)")
    terminal.say(f"  docs: {service.api_url}/docs/")
    terminal.say(f'  try:  curl -H "Authorization: Bearer {key}" {service.api_url}/v1/mailing/')
    terminal.say(f"  logs: {display_path(service.logs)}")
    terminal.say("  stop: Ctrl-C")
    terminal.say()


if __name__ == "__main__":
    sys.exit(main())
