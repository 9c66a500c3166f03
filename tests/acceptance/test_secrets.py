"""No secret, phone number or text where it does not belong: in what a whole run writes and shows, and in images.

The gateway of this run is the worst one for it: whatever it answers, it repeats the request, token and all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import psycopg2
import pytest
import requests

from sandbox.postgres import EmbeddedPostgres
from sandbox.supervisor import ROOT
from shared.database import libpq_url
from tests.acceptance.sandbox_launcher import Launcher, until
from tests.ports import free_port
from tests.raw_server import OK, Peer, RawServer, response

OLD_TOKEN, TOKEN = "gateway-token-of-yesterday-Xq7", "gateway-token-of-today-Zp9"
MAIL_PASSWORD = "mail-password-Kw3"
WORD = "palimpsest"
TEXT = f'The "{WORD}" is on its way,\nтрек 4711'
PHONES = [79165550100 + number for number in range(24)]
NEVER_SENT = 79165559999
"""A number that is only asked for."""

TABLES_WITH_PHONES = {"client", "message", "idempotency_key"}
TABLES_WITH_TEXTS = {"mailing_text", "idempotency_key"}
"""An answer is kept for a day with its Idempotency-Key, whole."""


class EchoingGateway:
    """Takes today's token only; of the requests with it, fails the first ones in every way, then accepts all."""

    FAILURES = ("500 Oops", "200 OK", "429 Slow Down", "502 Bad Gateway", "400 No", "503 Later")
    ECHOES = ("{body}", "{text} is no text", "who is {token}?", "{token} {text} {body}")

    def __init__(self) -> None:
        self._failures = iter(self.FAILURES * 3)
        self._echoes = cycle(self.ECHOES)
        self.refused = 0

    def __call__(self, peer: Peer) -> None:
        while request := peer.read_request():
            if request.headers["authorization"] != f"Bearer {TOKEN}":
                self.refused += 1
                status: str | None = "401 Unauthorized"
            else:
                status = next(self._failures, None)
            body, token = request.body.decode(), request.headers["authorization"]
            said = next(self._echoes).format(body=body, text=json.loads(body)["text"], token=token)
            answer = json.dumps({"code": 7, "message": said}).encode() if status else OK
            peer.send(response(status or "200 OK", answer, f"X-Echo: {request.headers['authorization']}"))


@dataclass
class Run:
    """What is to be searched, by where it was found; secrets that came to be on the way."""

    written: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, bytes] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    mode_of_key_file: int = 0

    def where(self, word: object) -> set[str]:
        """Where the word is found, in any of the ways that it may be written."""
        text = str(word)
        spellings = {text.encode(), json.dumps(text)[1:-1].encode(), text.encode().hex().encode()}
        everything = self.written | self.answers | self.tables
        return {place for place, content in everything.items() if any(spelling in content for spelling in spellings)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A whole run: clients, a mailing, a refused token, a failing gateway, errors, a sign-in; and a second start."""
    folder = tmp_path_factory.mktemp("secrets")
    token_file, password_file = folder / "token", folder / "password"
    token_file.write_text(OLD_TOKEN)
    password_file.write_text(MAIL_PASSWORD)
    gateway = EchoingGateway()
    done, metrics_port = Run(), free_port()
    with RawServer(gateway) as server:
        launcher = Launcher(
            folder / "data",
            folder / "output",
            GATEWAY_URL=server.url,
            GATEWAY_TOKEN_FILE=str(token_file),
            RETRY_BASE_SECONDS="0.05",
            RETRY_MAX_SECONDS="0.2",
            LOG_LEVEL="DEBUG",
            WORKER_METRICS_PORT=str(metrics_port),
            DAILY_REPORT_TO="ops@example.com",
            DAILY_REPORT_AT="00:00",
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(free_port()),
            SMTP_USER="gonets",
            SMTP_PASSWORD_FILE=str(password_file),
        )
        try:
            launcher.wait_for("There are no clients and no mailings yet")  # a real gateway, and nothing of before
            use(launcher, done, gateway, token_file)
            until(lambda: b"daily_report.failed" in (launcher.data / "logs" / "worker-1.log").read_bytes())
            done.answers["worker's metrics"] = requests.get(
                f"http://127.0.0.1:{metrics_port}/metrics", timeout=20
            ).content
            done.tables = dict(rows_of(connect(launcher)))
            done.written["command lines"] = command_lines()
        finally:
            launcher.stop()
            launcher.process.kill()
    done.keys.append(launcher.key)
    done.mode_of_key_file = (launcher.data / "api-key").stat().st_mode & 0o777
    done.written |= files_in(launcher.data)
    done.written["output"] = launcher.output.read_bytes()
    return done


def use(launcher: Launcher, run: Run, gateway: EchoingGateway, token_file: Path) -> None:
    """Does with the service whatever could leave a trace."""
    api = f"http://127.0.0.1:{launcher.port}"
    with requests.Session() as program, requests.Session() as browser:
        program.headers["Authorization"] = f"Bearer {launcher.key}"
        for role in ("viewer", "operator"):
            made = program.post(f"{api}/v1/key/create/", json={"name": role, "role": role}, timeout=20)
            run.keys.append(made.json()["key"])
        bodies = [{"phone_number": phone, "operator_code": "916", "tag": "vip", "timezone": "UTC"} for phone in PHONES]
        for body in bodies:
            program.post(f"{api}/v1/client/create/", json=body, timeout=20).raise_for_status()
        run.answers["a number twice"] = program.post(f"{api}/v1/client/create/", json=bodies[0], timeout=20).content
        window = {"start_datetime": "2022-06-02T18:25:43Z", "end_datetime": "2052-06-02T18:25:43Z"}
        mailing = program.post(
            f"{api}/v1/mailing/create/",
            json={**window, "text": TEXT, "mark": "vip"},
            headers={"Idempotency-Key": "once"},
            timeout=20,
        ).json()
        until(lambda: gateway.refused)
        run.answers["healthz, refused"] = program.get(f"{api}/healthz", timeout=20).content
        token_file.write_text(TOKEN)
        sign_in(browser, api, run.keys[0])
        run.answers["sign-in that fails"] = sign_in(browser, api, f"{run.keys[1]}x")
        err(program, browser, api, launcher, run)
        until(lambda: program.get(f"{api}/v1/mailing/{mailing['id']}/", timeout=20).json()["status"] == "finished")
        for path in ("/metrics", "/healthz", "/readyz", "/v1/statistics/", "/v1/key/", "/v1/audit/"):
            run.answers[path] = program.get(f"{api}{path}", timeout=20).content


def sign_in(browser: requests.Session, api: str, key: str) -> bytes:
    form = browser.get(f"{api}/login/", timeout=20).text
    csrf = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    found = {"csrf_token": csrf[1]} if csrf else {}
    return browser.post(f"{api}/login/", data={"key": key, **found}, timeout=20).content


def err(program: requests.Session, browser: requests.Session, api: str, launcher: Launcher, run: Run) -> None:
    """Errors of the caller's making, and of ours: for a moment, a table is not there."""
    wrong = {"phone_number": NEVER_SENT, "operator_code": "1000", "tag": "vip", "timezone": "Nowhere/At/All"}
    searched = {"phone_number": str(NEVER_SENT)}
    run.answers["a wrong client"] = program.post(f"{api}/v1/client/create/", json=wrong, timeout=20).content
    run.answers["a wrong key"] = requests.get(
        f"{api}/v1/client/", headers={"Authorization": f"Bearer {run.keys[0]}x"}, timeout=20
    ).content
    right = wrong | {"operator_code": "916", "timezone": "UTC"}
    with closing(psycopg2.connect(connect(launcher))) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("ALTER TABLE client RENAME TO lost_client")
        ours = program.post(f"{api}/v1/client/create/", json=right, timeout=20)
        cursor.execute("ALTER TABLE lost_client RENAME TO client")
    assert ours.status_code == 500
    run.answers["our error"] = ours.content
    program.get(f"{api}/v1/message/", params=searched, timeout=20).raise_for_status()
    for page in ("/clients/", "/messages/"):
        browser.get(f"{api}{page}", params={"phone_number": str(NEVER_SENT), "q": str(NEVER_SENT)}, timeout=20)


def connect(launcher: Launcher) -> str:
    return libpq_url(EmbeddedPostgres(launcher.data / "postgres").url)


def rows_of(url: str) -> Iterator[tuple[str, bytes]]:
    """Every table with all that its columns hold, bytes as they are and as they are shown."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        tables = "relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition"
        cursor.execute(f"SELECT relname FROM pg_class WHERE {tables}")  # noqa: S608  put together of constants
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  its own names
            cells = [cell for row in cursor.fetchall() for cell in row]
            raw = [bytes(cell) if isinstance(cell, memoryview) else str(cell).encode() for cell in cells]
            yield f"table {table}", b"\n".join(raw)


def command_lines() -> bytes:
    """Of every process of this machine: `ps` shows them to everybody."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                found.append((process / "cmdline").read_bytes())
            except OSError:
                continue
    return b"\n".join(found)


def files_in(data: Path) -> dict[str, bytes]:
    """All files but PostgreSQL's own, which are the tables, and the key's, which is meant to hold it."""
    files = [path for path in data.rglob("*") if path.is_file() and "postgres" not in path.relative_to(data).parts]
    return {str(path.relative_to(data)): path.read_bytes() for path in files if path.name != "api-key"}


def test_the_run_wrote_what_is_searched(run: Run) -> None:
    for log in ("api", "worker-1", "postgres", "migrations"):
        assert f"logs/{log}.log" in run.written
    assert b"token" in run.written["logs/worker-1.log"]
    assert b"Traceback" in run.written["logs/api.log"]
    assert b"gonets_messages" in run.answers["/metrics"]
    assert b"gonets_attempts_total" in run.answers["worker's metrics"]
    assert b"daily_report.failed" in run.written["logs/worker-1.log"]
    assert {f"table {name}" for name in ("attempt", "audit_entry", "api_key", "idempotency_key")} <= run.tables.keys()
    assert b"***" in run.tables["table attempt"]
    assert b"sandbox" in run.written["command lines"]


def test_secrets_are_nowhere(run: Run) -> None:
    assert len(run.keys) == 3
    for secret in (OLD_TOKEN, TOKEN, MAIL_PASSWORD, *run.keys):
        assert run.where(secret) == set()


def test_the_stored_key_is_readable_by_its_owner_only(run: Run) -> None:
    assert run.mode_of_key_file == 0o600


def test_phone_numbers_are_only_in_the_tables_meant_for_them(run: Run) -> None:
    allowed = {f"table {table}" for table in TABLES_WITH_PHONES}
    for phone in (*PHONES, NEVER_SENT):
        assert run.where(phone) <= allowed


def test_texts_are_only_in_the_tables_meant_for_them(run: Run) -> None:
    assert "table mailing_text" in run.where(WORD)
    for part in (WORD, "трек 4711"):
        assert run.where(part) <= {f"table {table}" for table in TABLES_WITH_TEXTS}


SECRET_NAME = re.compile(r"(?i)\b(?:ARG|ENV)\b.*(?:TOKEN|KEY|PASSWORD|SECRET|DATABASE_URL)")


@pytest.mark.parametrize("name", sorted(path.name for path in ROOT.glob("Dockerfile*")))
def test_an_image_is_built_with_no_secret(name: str) -> None:
    lines = (ROOT / name).read_text().replace("\\\n", " ").splitlines()
    assert [line for line in lines if SECRET_NAME.search(line)] == []
    copied = [part for line in lines if line.startswith(("COPY", "ADD")) for part in line.split()[1:-1]]
    assert not {".", "./", ".env", ".data"} & set(copied)


def test_compose_builds_with_no_arguments_and_names_no_secret_but_the_simulations() -> None:
    compose = (ROOT / "docker-compose.yml").read_text()
    assert "args:" not in compose
    given = re.findall(r"(\w*(?:TOKEN|KEY|PASSWORD|SECRET)): (\S+)", compose)
    literal = {name: value for name, value in given if not value.startswith("${")}
    assert literal == {"GATEWAY_TOKEN": "simulated"}
    defaults = {name: default for name, value in given for default in re.findall(r":?-([^}]*)", value) if default}
    assert defaults == {"POSTGRES_PASSWORD": "gonets", "PGPASSWORD": "gonets", "GATEWAY_TOKEN": "simulated"}


def test_what_is_sent_to_the_builder_is_a_list_of_folders_with_no_secrets_in_it() -> None:
    first, *patterns = (ROOT / ".dockerignore").read_text().split()
    assert first == "**"
    readmitted = {pattern[1:] for pattern in patterns if pattern.startswith("!")}
    assert readmitted == {"api", "migrations", "requirements", "sandbox", "shared", "worker"}
