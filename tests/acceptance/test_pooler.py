"""Everything through PgBouncer in transaction mode, as docs/database.md sets it up."""

from __future__ import annotations

import csv
import os
import pwd
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812
from sqlalchemy import make_url

from api import create_app
from api.clients.import_staging import COPY_BATCH
from api.database_url import database_url as parse_database_url
from api.settings import ApiSettings
from sandbox.parent_death_signal import Account, die_with_parent
from sandbox.simulated_gateway.client import SandboxGateway
from tests.acceptance.worker_fleet import Fleet
from tests.factories import add_clients, add_running_mailing, counted, execute, mailing, message_counts
from tests.integration.api.calls import caller, mailing_body
from tests.ports import free_port
from tests.required_tools import PGBOUNCER, need
from tests.waiting import eventually

HEADER = "phone_number,operator_code,tag,timezone"


@pytest.fixture
def pooler_url(clean_database: str, tmp_path: Path) -> Iterator[str]:
    """The clean database behind a pooler that shares two connections to it."""
    pgbouncer = need(PGBOUNCER)
    server = make_url(clean_database)
    port = free_port()
    parts = {
        "host": server.query.get("host") or server.host,
        "port": server.port or 5432,
        "user": server.username,
        "password": server.password,
    }
    target = " ".join(f"{name}={part}" for name, part in parts.items() if part)
    settings = tmp_path / "pgbouncer.ini"
    settings.write_text(
        f"""
        [databases]
        * = {target}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = any
        pool_mode = transaction
        default_pool_size = 2
        ignore_startup_parameters = options
        """.replace("        ", "")
    )
    url = f"postgresql://anybody@127.0.0.1:{port}/{server.database}"
    with (tmp_path / "pgbouncer.log").open("wb") as log, settings.open() as given:
        # It refuses to run as root, and must get at the server's socket; its settings are its input.
        account = None
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            account = Account(nobody.pw_uid, nobody.pw_gid, str(parts["host"]))
        command = die_with_parent([pgbouncer, "/dev/stdin"], signal.SIGKILL, account)
        process = subprocess.Popen(command, cwd="/", stdin=given, stdout=log, stderr=log)
    try:
        eventually(lambda: takes_connections(url))
        yield url
    finally:
        process.kill()
        process.wait()


def takes_connections(url: str) -> bool:
    try:
        psycopg2.connect(url, connect_timeout=2).close()
    except psycopg2.OperationalError:
        return False
    return True


def test_three_workers_share_two_connections_and_send_each_message_once(
    connection: Connection, gateway: SandboxGateway, pooler_url: str, tmp_path: Path
) -> None:
    mailing_id = add_running_mailing(connection, 300)

    with Fleet(tmp_path, pooler_url, gateway.url, gateway.token) as fleet:
        for _ in range(3):
            fleet.start(LOG_LEVEL="INFO")
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 300}
    assert gateway.summary().accepted == gateway.summary().distinct == 300


def test_the_api_answers_through_it(pooler_url: str) -> None:
    app = create_app(ApiSettings(database_url=parse_database_url(pooler_url)))

    assert caller(app).get("/readyz").json == {"status": "ready"}
    assert caller(app).get("/v1/mailing/").json == []


def test_the_directory_comes_and_goes_through_it(pooler_url: str) -> None:
    api = caller(create_app(ApiSettings(database_url=parse_database_url(pooler_url))))
    rows = "".join(f"{79_160_000_000 + number},916,vip,UTC\r\n" for number in range(COPY_BATCH + 1))
    file = f"{HEADER}\r\n{rows}"
    for name in ("added", "unchanged"):
        assert api.post("/v1/client/import/", data=file, content_type="text/csv").json[name] == COPY_BATCH + 1
    exported = csv.DictReader(api.get("/v1/client/export/").text.splitlines())
    assert [{name: row[name] for name in HEADER.split(",")} for row in exported] == [*csv.DictReader(file.splitlines())]


def test_a_mailing_is_created_paused_edited_and_resumed_through_it_while_workers_keep_a_rate_limit_through_it(
    connection: Connection, gateway: SandboxGateway, pooler_url: str, tmp_path: Path
) -> None:
    gateway.faults(latency=0.2)  # 40 a second: it is far from over when the mailing is paused
    add_clients(connection, 400, tag="vip")
    api = caller(create_app(ApiSettings(database_url=parse_database_url(pooler_url))))
    body = mailing_body(start_datetime="2022-06-02T18:25:43.511Z")
    with Fleet(tmp_path, pooler_url, gateway.url, gateway.token) as fleet:
        for rate in ("", "1000"):
            fleet.start(GATEWAY_RATE=rate, LAUNCH_CHUNK=50)
        made = [api.post("/v1/mailing/create/", json=body, headers={"Idempotency-Key": "1"}) for _ in range(2)]
        path = f"/v1/mailing/{made[0].json['id']}/"
        eventually(lambda: gateway.summary().accepted >= 50)
        assert api.post(path + "pause/").status_code == 200
        assert api.put(path, json=body | {"text": "Later"}).status_code == 200
        gateway.faults()
        assert api.post(path + "resume/").status_code == 200
        eventually(lambda: api.get(path).json["status"] == "finished")

    assert [answer.status_code for answer in made] == [201, 201]
    assert made[0].data == made[1].data
    assert api.get(path).json["start_datetime"] == body["start_datetime"]
    assert counted(connection, 1) == message_counts(connection, 1) == {"sent": 400}
    assert gateway.summary().repeats == 0


def test_connections_that_the_pooler_closes_are_replaced(
    connection: Connection, gateway: SandboxGateway, pooler_url: str, tmp_path: Path
) -> None:
    gateway.faults(latency=0.02)
    mailing_id = add_running_mailing(connection, 200)
    api = caller(create_app(ApiSettings(database_url=parse_database_url(pooler_url))))
    with Fleet(tmp_path, pooler_url, gateway.url, gateway.token) as fleet:
        fleet.start()
        for lost in range(1, 4):
            eventually(lambda: gateway.summary().accepted >= 40 * lost)  # noqa: B023  asked here and now
            end_connections(connection)
            eventually(lambda: api.get("/v1/client/").status_code == 200)
        eventually(lambda: mailing(connection, mailing_id)["settled_at"])

    assert counted(connection, mailing_id) == message_counts(connection, mailing_id) == {"sent": 200}
    assert gateway.summary().repeats == 0


def end_connections(connection: Connection) -> None:
    """Ends every connection to the database but this one."""
    execute(
        connection,
        """
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()
        """,
    )
