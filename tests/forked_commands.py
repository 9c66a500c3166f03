"""Commands in processes of their own that need not import the libraries again, which takes most of a core-second each.

`python -m tests.forked_commands` imports them once, and forks for each command that it reads. Our own packages are not
among them: what they do on import, such as to read settings, each command does anew.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

ROOT = Path(__file__).parent.parent

LIBRARIES = (
    *("alembic.command", "flask.cli", "flask_babel", "flask_migrate", "flask_smorest", "flask_sqlalchemy"),
    *("gunicorn.app.wsgiapp", "phonenumbers", "psycopg2", "sqlalchemy.dialects.postgresql", "requests", "environs"),
)
"""What the API and workers import first. Not prometheus_client: it reads a setting of the API's on import."""


class ForkedCommands:
    """Runs `python -m` in forks of one process."""

    def __init__(self, server: subprocess.Popen[str]) -> None:
        self._server = server

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> CompletedProcess[str]:
        """Runs a module with its arguments, in the repository's folder and with this environment alone."""
        assert self._server.stdin
        assert self._server.stdout
        print(json.dumps([command, dict(environment)]), file=self._server.stdin, flush=True)
        answer = json.loads(self._server.stdout.readline())
        return CompletedProcess(command, answer["status"], answer["stdout"], answer["stderr"])


@contextmanager
def forked_commands() -> Iterator[ForkedCommands]:
    """Commands can be run for as long as the block lasts."""
    command = [sys.executable, "-m", __name__]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield ForkedCommands(server)
        assert server.stdin
        server.stdin.close()


def serve() -> list[str] | None:
    """Forks for each command that is read. Returns its words in the process that is to run it, and None at the end."""
    for library in LIBRARIES:
        import_module(library)
    for line in sys.stdin:
        command, environment = json.loads(line)
        with tempfile.TemporaryFile() as stdout, tempfile.TemporaryFile() as stderr:
            if not (pid := os.fork()):
                become(environment, stdout.fileno(), stderr.fileno())
                return list(command)
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            answer = {"status": status, "stdout": content(stdout), "stderr": content(stderr)}
        print(json.dumps(answer), flush=True)
    return None


def become(environment: Mapping[str, str], stdout: int, stderr: int) -> None:
    """Gives this process another environment, other outputs and no input."""
    os.environ.clear()
    os.environ.update(environment)
    for mine, its in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(mine, its)


def content(file: Any) -> str:
    """What has been written to it."""
    file.seek(0)
    return str(file.read().decode())


if __name__ == "__main__" and (words := serve()):
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)
