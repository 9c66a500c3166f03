"""`python -m worker`: reads the settings, puts a worker together, and runs it until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import socket
import sys

if __name__ == "__main__":
    # What follows takes a moment, and there is nothing to put away yet. An exception may be lost in an import.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))

import gc
import logging
import resource
import threading
from random import Random, SystemRandom

from shared.errors import ConfigurationError
from shared.logs import configure_logs
from worker.attempt_recorder import AttemptRecorder
from worker.daily_report.mail_settings import MailSettings
from worker.daily_report.report import DailyReport
from worker.database import Database
from worker.delivery import Retries
from worker.gateway_token import Token
from worker.lanes.circuit_breaker import CircuitBreaker
from worker.lanes.concurrency_limit import FLOOR
from worker.lanes.curl_sender import CurlSender
from worker.lanes.fleet_rate_limiter import FleetRateLimiter
from worker.lanes.gateway_client import Adapter, Gateway
from worker.lanes.message_sender import MessageSender, SendingThreads
from worker.loop import WorkerLoop
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.round import Maintenance
from worker.maintenance.thread import MaintenanceThread
from worker.queue import Queue
from worker.settings import WorkerSettings
from worker.telemetry.heartbeat import Heartbeat
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter

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
        _allow_sockets(settings.concurrency)
        daemon = _assemble(settings, token, stop, wake)
        report = _daily_report(settings, stop)
    except KeyboardInterrupt:
        return 130
    except ConfigurationError as error:
        print(error, file=sys.stderr)  # noqa: T201  a sentence for the person who started it
        return 2
    gc.freeze()  # what has been loaded is there to stay: the collector need not look at it again and again
    threading.Thread(target=_stop_on_signal, args=(stop, wake), name="signals", daemon=True).start()
    if report is not None:
        threading.Thread(target=report.run, name="daily report", daemon=True).start()
    log.info("started", extra={"worker": settings.name, "concurrency": settings.concurrency})
    daemon.run()
    return 0


def _allow_sockets(concurrency: int) -> None:
    """Raises the limit of open files, which is 1024 on most systems, as far as it may be."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = concurrency + 100  # the database, the logs, the loop's own
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _assemble(settings: WorkerSettings, token: Token, stop: threading.Event, wake: threading.Event) -> WorkerLoop:
    random = SystemRandom()
    pace = FleetRateLimiter(settings.gateway_rate) if settings.gateway_rate else None
    metrics = _metrics(settings)
    database = Database(settings.database_dsn, stop, f"gonets worker {settings.name}", metrics.trouble)
    return WorkerLoop(
        database=database,
        queue=_queue(settings, database, random, pace),
        keeper=_keeper(settings, stop, wake, random, metrics),
        senders=_senders(settings, token, wake),
        breaker=CircuitBreaker(settings.concurrency, random, ahead=pace.slots_ahead if pace else None),
        reporter=StatusReporter(database, settings.name),
        metrics=metrics,
        token=token,
        stop=stop,
        wake=wake,
        poll_seconds=settings.poll_seconds,
        stop_seconds=settings.stop_seconds,
        heartbeat=Heartbeat(settings.heartbeat_file).beat,
    )


def _metrics(settings: WorkerSettings) -> Metrics:
    metrics = Metrics(settings.name)
    if settings.metrics_port:
        try:
            metrics.serve(settings.metrics_host, settings.metrics_port)
        except (socket.gaierror, UnicodeError):
            raise ConfigurationError("WORKER_METRICS_HOST: must be an address of this machine.") from None
        except OSError as error:
            where = f"{settings.metrics_host}:{settings.metrics_port}"
            raise ConfigurationError(f"WORKER_METRICS_PORT: cannot listen on {where}: {error.strerror}") from error
    return metrics


def _queue(settings: WorkerSettings, database: Database, random: Random, pace: FleetRateLimiter | None) -> Queue:
    return Queue(
        database,
        worker=settings.name,
        lease_seconds=settings.lease_seconds,
        delivery_seconds=settings.gateway_timeout,
        retries=_retries(settings),
        random=random,
        pace=pace,
    )


def _retries(settings: WorkerSettings) -> Retries:
    return Retries(settings.max_attempts, settings.retry_base_seconds, settings.retry_max_seconds)


def _keeper(
    settings: WorkerSettings, stop: threading.Event, wake: threading.Event, random: Random, metrics: Metrics
) -> MaintenanceThread:
    database = Database(settings.database_dsn, stop, f"gonets maintenance {settings.name}", metrics.trouble)
    recorder = AttemptRecorder(lease_seconds=settings.lease_seconds, retries=_retries(settings), random=random)
    return MaintenanceThread(
        database=database,
        lease_reclaimer=LeaseReclaimer(database, recorder, lease_seconds=settings.lease_seconds),
        maintenance=Maintenance(
            database,
            launch_chunk=settings.launch_chunk,
            retention_days=settings.retention_days,
            lease_seconds=settings.lease_seconds,
            longest_retry=settings.retry_after_max_seconds + settings.retry_max_seconds,
        ),
        stop=stop,
        tell=wake.set,
        metrics=metrics,
        poll_seconds=settings.poll_seconds,
    )


def _senders(settings: WorkerSettings, token: Token, wake: threading.Event) -> MessageSender:
    gateway = Gateway(
        settings.gateway_url,
        token,
        connect_timeout=settings.gateway_connect_timeout,
        timeout=settings.gateway_timeout,
        pool_size=settings.concurrency,
        retry_after_cap=settings.retry_after_max_seconds,
        ca_file=settings.gateway_ca_file,
        proxy=settings.gateway_proxy,
        adapter=settings.gateway_adapter,
    )
    if settings.gateway_adapter is Adapter.STANDARD:
        return SendingThreads(gateway, FLOOR, wake)
    return CurlSender(gateway, FLOOR, settings.concurrency, wake)


def _daily_report(settings: WorkerSettings, stop: threading.Event) -> DailyReport | None:
    mail = MailSettings.from_environment()
    if mail is None:
        return None
    return DailyReport(Database(settings.database_dsn, stop, f"gonets report {settings.name}"), mail, stop)


def _stop_on_signal(stop: threading.Event, wake: threading.Event) -> None:
    """Waits for the signal in a thread: a handler would run inside whatever the main thread holds locked."""
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    stop.set()
    wake.set()


if __name__ == "__main__":
    sys.exit(main())
