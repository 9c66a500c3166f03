"""`python -m tests.fork_server N`: forks for each command that comes over the socket with the file descriptor N.

A fork need not import the libraries, which takes most of a core-second each time. Of our own packages only tables and
contracts are imported here: what the others do on import, such as to read settings or to make memory that processes
share, each command does anew. tests/commands.py asks for the forks.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import NamedTuple

IMPORTED = (
    *("alembic.command", "flask.cli", "flask_babel", "flask_migrate", "flask_smorest", "flask_sqlalchemy"),
    *("babel.messages.mofile", "babel.messages.pofile", "cachetools", "cryptography.fernet", "environs"),
    *("flask_bootstrap", "flask_swagger_ui", "gunicorn.app.wsgiapp", "httptools", "phonenumbers", "psycopg2"),
    *("requests", "sqlalchemy.dialects.postgresql", "wtforms", "shared.schema", "shared.gateways.registry"),
)
"""What the API, the workers and the migrations import first. Not prometheus_client: it reads a setting of the API's on
import.
"""

PR_SET_PDEATHSIG = 1
"""prctl(2)."""


class Request(NamedTuple):
    """A command: the arguments of `python -m`, all of its environment, and the signal that it gets when we die.

    With `own_session` it leads a session and a process group of its own.
    `end` is the socket that is told the number of the process, and later its exit status, on a line each.
    """

    command: list[str]
    environment: Mapping[str, str]
    on_orphaned: int
    own_session: bool
    stdout: int
    stderr: int
    end: socket.socket


def main(requests: socket.socket) -> list[str]:
    """Forks until the socket is closed. Returns in the process that is to run a command, with that command."""
    import_all()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # Ctrl-C at the terminal of the tests: they close the socket.
    on_interrupt = signal.signal(signal.SIGINT, signal.SIG_IGN)
    woken, wakes = socket.socketpair()
    for one in (woken, wakes):
        one.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # without a handler there is no wakeup
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    running: dict[int, socket.socket] = {}
    while True:
        ready, _, _ = select.select([requests, woken], [], [])
        if woken in ready:
            woken.recv(4096)
            tell_ends(running)
        if requests in ready:
            if (request := read(requests)) is None:
                os._exit(0)  # there is nothing to put away
            own = os.getpid()
            if not (pid := os.fork()):
                for inherited in (requests, woken, wakes, *running.values()):
                    inherited.close()
                signal.signal(signal.SIGINT, on_interrupt)
                become(request, own)
                return request.command
            running[pid] = request.end
            tell(request.end, pid)
            for descriptor in (request.stdout, request.stderr):
                os.close(descriptor)


def import_all() -> None:
    """Imports it, without looking for garbage meanwhile; no fork will look through it either."""
    gc.disable()
    for module in IMPORTED:
        import_module(module)
    gc.freeze()
    gc.enable()


def read(requests: socket.socket) -> Request | None:
    """The next request; none when the socket has been closed."""
    came, descriptors, _, _ = socket.recv_fds(requests, 65_536, 3)
    if not came:
        return None
    while not came.endswith(b"\n"):
        came += requests.recv(65_536)
    command, environment, on_orphaned, own_session = json.loads(came)
    stdout, stderr, end = descriptors
    return Request(command, environment, on_orphaned, own_session, stdout, stderr, socket.socket(fileno=end))


def tell(end: socket.socket, number: int) -> None:
    """The process that asked may have ended meanwhile."""
    with suppress(OSError):
        end.sendall(b"%d\n" % number)


def tell_ends(running: dict[int, socket.socket]) -> None:
    """Tells the exit status of each process that has ended, and forgets it."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        with running.pop(pid) as end:
            tell(end, os.waitstatus_to_exitcode(status))


def become(request: Request, parent: int) -> None:
    """Makes this fork what the command would be, started by itself: its signals, environment, input and outputs."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(request.on_orphaned))
    if os.getppid() != parent:
        os._exit(1)
    if request.own_session:
        os.setsid()
    os.environ.clear()
    os.environ.update(request.environment)
    time.tzset()
    request.end.close()
    for mine, its in ((os.open(os.devnull, os.O_RDONLY), 0), (request.stdout, 1), (request.stderr, 2)):
        os.dup2(mine, its)
        os.close(mine)


if __name__ == "__main__":
    sys.argv = main(socket.socket(fileno=int(sys.argv[1])))
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
