"""`python -m worker`: reads the settings, puts a worker together, and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from random import SystemRandom

from shared.errors import ConfigurationError
from shared.logs import configure_logs
from worker.breaker import Breaker
from worker.daemon import Daemon
from worker.database import Database
from worker.delivery import Retries
from worker.gateway import Gateway
from worker.heartbeat import Heartbeat
from worker.pace import Pace
from worker.queue import Queue
from worker.report import Reporter
from worker.senders import Senders
from worker.settings import WorkerSettings
from worker.token import Token
from worker.upkeep import Upkeep

log = logging.getLogger("worker")


def main() -> int:
    """Exit status: 0 after a signal, 2 for a setting that is missing or wrong, 130 for Ctrl-C at the question."""
    stop, wake = threading.Event(), threading.Event()
    try:
        settings = WorkerSettings.from_environment()
        configure_logs(settings.log_level, settings.log_format)
        token = Token(settings.gateway_token, settings.gateway_token_file)
        # After the question for a token, which Ctrl-C may answer, and before any thread starts: all inherit the mask,
        # and only the thread that waits for these signals ever sees them.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        daemon = _assemble(settings, token, stop, wake)
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  a sentence for the person who started it
        return 2
    threading.Thread(target=_stop_on_signal, args=(stop, wake), name="signals", daemon=True).start()
    log.info("started", extra={"worker": settings.name, "concurrency": settings.concurrency})
    daemon.run()
    return 0


def _assemble(settings: WorkerSettings, token: Token, stop: threading.Event, wake: threading.Event) -> Daemon:
    random = SystemRandom()
    database = Database(settings.database_dsn, stop, f"gonets worker {settings.name}")
    gateway = Gateway(
        settings.gateway_url,
        token,
        connect_timeout=settings.gateway_connect_timeout,
        timeout=settings.gateway_timeout,
        pool_size=settings.concurrency,
        retry_after_cap=settings.retry_after_max_seconds,
        ca_file=settings.gateway_ca_file,
        proxy=settings.gateway_proxy,
    )
    pace = Pace(settings.gateway_rate) if settings.gateway_rate else None
    return Daemon(
        database=database,
        queue=Queue(
            database,
            worker=settings.name,
            lease_seconds=settings.lease_seconds,
            delivery_seconds=settings.gateway_timeout,
            retries=Retries(settings.max_attempts, settings.retry_base_seconds, settings.retry_max_seconds),
            random=random,
            pace=pace,
        ),
        upkeep=Upkeep(database, launch_chunk=settings.launch_chunk, retention_days=settings.retention_days),
        senders=Senders(gateway, settings.concurrency, wake),
        breaker=Breaker(settings.concurrency, random, ahead=pace.slots_ahead if pace else None),
        reporter=Reporter(database, settings.name),
        token=token,
        stop=stop,
        wake=wake,
        poll_seconds=settings.poll_seconds,
        stop_seconds=settings.stop_seconds,
        heartbeat=Heartbeat(settings.heartbeat_file).beat,
    )


def _stop_on_signal(stop: threading.Event, wake: threading.Event) -> None:
    """Waits for the signal in a thread: a handler would run inside whatever the main thread holds locked."""
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    stop.set()
    wake.set()


if __name__ == "__main__":
    sys.exit(main())
