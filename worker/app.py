"""Assembles a worker from its settings: one database, one lane for each gateway, maintenance, telemetry."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable, Mapping
from random import Random, SystemRandom

from shared.errors import ConfigurationError
from worker.attempt_recorder import AttemptRecorder
from worker.claimed_message import MessageGateway
from worker.daily_report.mail_settings import MailSettings
from worker.daily_report.report import DailyReport
from worker.database import TRANSACTION_TIMEOUT, Database
from worker.gateway_token import Token
from worker.lanes.gateway_clients import GatewayClients
from worker.lanes.lane_opener import LaneOpener
from worker.lanes.lane_set import LaneSet
from worker.loop import WorkerLoop
from worker.maintenance.audience_lister import AudienceLister
from worker.maintenance.duties import Maintenance
from worker.maintenance.lease_reclaimer import LeaseReclaimer
from worker.maintenance.long_duty_thread import LongDutyThread
from worker.maintenance.retention import FILES_SECONDS, Retention
from worker.maintenance.thread import MaintenanceThread
from worker.polling.receipt_poller import ReceiptPoller
from worker.polling.thread import PollingThread
from worker.settings import WorkerSettings
from worker.telemetry.heartbeat import Heartbeat
from worker.telemetry.metrics import Metrics
from worker.telemetry.status_reporter import StatusReporter


def assemble(settings: WorkerSettings, token: Token | None, stop: threading.Event, wake: threading.Event) -> WorkerLoop:
    """A worker that is ready to run. Raises ConfigurationError for a setting that cannot be used."""
    random = SystemRandom()
    metrics = _metrics(settings)
    database = Database(settings.database_dsn, stop, f"gonets worker {settings.name}", metrics.count_retry)
    opener = LaneOpener(settings, database, token, wake, random)
    lanes = LaneSet(database, opener.open, opener.describe)
    opener.lanes = lanes
    gateways = lanes.gateways
    unlisted = threading.Event()
    maintenance = _maintenance(settings, stop, wake, random, metrics, gateways, unlisted)
    return WorkerLoop(
        database=database,
        lanes=lanes,
        maintenance=maintenance,
        long_duties=[
            _listing(settings, stop, unlisted, maintenance.notify_progress, metrics),
            _retention(settings, stop, metrics),
        ],
        polling=_polling(settings, stop, metrics, gateways),
        reporter=StatusReporter(database, settings.name),
        metrics=metrics,
        stop=stop,
        wake=wake,
        poll_seconds=settings.poll_seconds,
        stop_seconds=settings.stop_seconds,
        heartbeat=Heartbeat(settings.heartbeat_file).beat,
    )


def daily_report(settings: WorkerSettings, stop: threading.Event) -> DailyReport | None:
    """The report about the previous day, if configured. Raises ConfigurationError for a wrong setting."""
    mail = MailSettings.from_environment()
    if mail is None:
        return None
    return DailyReport(Database(settings.database_dsn, stop, f"gonets report {settings.name}"), mail, stop)


def raise_open_file_limit(concurrency: int) -> None:
    """Raises the limit of open files, which is 1024 on most systems, as far as the hard limit allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = concurrency + 100  # the database, the logs, the loop's own
    if soft != resource.RLIM_INFINITY and soft < needed:
        allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))


def _maintenance(
    settings: WorkerSettings,
    stop: threading.Event,
    wake: threading.Event,
    random: Random,
    metrics: Metrics,
    gateways: Mapping[str, MessageGateway],
    unlisted: threading.Event,
) -> MaintenanceThread:
    database = Database(settings.database_dsn, stop, f"gonets maintenance {settings.name}", metrics.count_retry)
    recorder = AttemptRecorder(lease_seconds=settings.lease_seconds, retries=settings.retries, random=random)
    return MaintenanceThread(
        database=database,
        lease_reclaimer=LeaseReclaimer(database, recorder, lease_seconds=settings.lease_seconds, gateways=gateways),
        maintenance=Maintenance(
            database,
            launch_chunk=settings.launch_chunk,
            lease_seconds=settings.lease_seconds,
            longest_retry=settings.retry_after_max_seconds + settings.retry_max_seconds,
            on_unlisted=unlisted.set,
        ),
        stop=stop,
        on_work_found=wake.set,
        metrics=metrics,
        poll_seconds=settings.poll_seconds,
    )


def _listing(
    settings: WorkerSettings,
    stop: threading.Event,
    unlisted: threading.Event,
    on_listed: Callable[[], None],
    metrics: Metrics,
) -> LongDutyThread:
    timeout = settings.audience_timeout
    name = f"gonets audiences {settings.name}"
    database = Database(
        settings.database_dsn, stop, name, metrics.count_retry, transaction_timeout=timeout + TRANSACTION_TIMEOUT
    )
    lister = AudienceLister(database, chunk=settings.launch_chunk, timeout=timeout, on_listed=on_listed)
    return LongDutyThread("audiences", lister, stop, unlisted)


def _retention(settings: WorkerSettings, stop: threading.Event, metrics: Metrics) -> LongDutyThread:
    timeout, name = FILES_SECONDS + TRANSACTION_TIMEOUT, f"gonets retention {settings.name}"
    database = Database(settings.database_dsn, stop, name, metrics.count_retry, transaction_timeout=timeout)
    return LongDutyThread("retention", Retention(database, settings.retention_days), stop)


def _polling(
    settings: WorkerSettings, stop: threading.Event, metrics: Metrics, gateways: Mapping[str, MessageGateway]
) -> PollingThread:
    database = Database(settings.database_dsn, stop, f"gonets polling {settings.name}", metrics.count_retry)
    poller = ReceiptPoller(database, GatewayClients(settings), stop)
    return PollingThread(poller, stop, lambda: any(gateway.polls for gateway in list(gateways.values())))


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
