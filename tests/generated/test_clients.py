"""What is documented is what a program gets: two generators' clients make every call, and understand every answer."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import requests
from cryptography.fernet import Fernet
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import required_tools
from tests.database import ROOT
from tests.factories import add_running_mailing, execute
from tests.generated import client_driver
from tests.generated.calls import CALLS
from tests.inbound import add_inbound_message
from tests.integration.api.calls import API_KEY
from tests.integration.api.running_server import served
from tests.integration.worker.attempt_results import answer
from tests.integration.worker.conftest import idle_databases, open_database, open_queue, queue
from tests.waiting import PATIENCE
from worker.queue import Queue

__all__ = ["idle_databases", "open_database", "open_queue", "queue"]

pytestmark = pytest.mark.generated

PYTHON = ROOT / ".venv-clients" / "bin" / "python"
"""Has both generators, and what their clients need: see the Makefile."""
OVERRIDES = "content_type_overrides: {text/csv: application/octet-stream}"
"""openapi-python-client makes bodies of the types that it knows, and has a setting for one that is like one of them.
Its 0.29 makes a module that can't be imported of an operation with two such bodies, so the other one is left out."""

Generate = Callable[[Path, Path], list[str]]


def openapi_python_client(document: Path, into: Path) -> list[str]:
    (into / "config.yml").write_text(f"{OVERRIDES}\npost_hooks: []\n")
    options = ["--path", document, "--output-path", into / "made", "--meta", "none", "--config", into / "config.yml"]
    return [str(PYTHON.with_name("openapi-python-client")), "generate", *map(str, options)]


def openapi_generator(document: Path, into: Path) -> list[str]:
    required_tools.need(required_tools.JAVA)
    options = ["-g", "python", "-i", document, "-o", into, "--additional-properties", "packageName=made"]
    return [str(PYTHON.with_name("openapi-generator-cli")), "generate", *map(str, options)]


GENERATORS: dict[str, Generate] = {
    "openapi-python-client": openapi_python_client,
    "openapi-generator": openapi_generator,
}


@pytest.fixture
def url(clean_database: str, connection: Connection, queue: Queue) -> Iterator[str]:
    """The API, a running mailing with a message that has failed and one that is unknown, and an inbound message."""
    add_running_mailing(connection, 2, on_unknown="hold")
    for claimed in queue.claim(2):
        queue.record([answer(claimed, "refused" if claimed.message_id == 1 else "ambiguous")])
    add_inbound_message(connection, message_id=1)
    execute(connection, "UPDATE client SET unknown_subscriber_count = 1 WHERE id = 1")
    execute(
        connection,
        """
        INSERT INTO receipt_orphan (fingerprint, gateway_id, provider_message_id, state)
        VALUES (gen_random_uuid(), 1, 'abc', 'delivered')
        """,
    )
    settings = {"PRICE_PER_SEGMENT": "0.045", "GATEWAY_RATE": "10", "CREDENTIALS_KEY": Fernet.generate_key().decode()}
    settings["GATEWAY_ALLOWED_NETWORKS"] = "127.0.0.0/8"
    with served(clean_database, None, API_WORKERS="1", **settings) as running:
        yield f"http://127.0.0.1:{running.port}"


@pytest.mark.parametrize("generator", GENERATORS)
def test_every_call_is_made_and_every_answer_understood(url: str, generator: str, tmp_path: Path) -> None:
    if not PYTHON.exists():
        pytest.skip("there are no generators here: make clients installs them")
    document = tmp_path / "openapi.json"
    document.write_bytes(requests.get(f"{url}/docs/openapi.json", timeout=PATIENCE).content)
    described = json.loads(document.read_text())
    subprocess.run(GENERATORS[generator](document, tmp_path), check=True, cwd=tmp_path)
    made = subprocess.run(
        [PYTHON, client_driver.__file__, generator, "made", url, API_KEY],
        input=json.dumps(CALLS),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
    )
    answers = [json.loads(line) for line in made.stdout.splitlines()]
    assert [status for status, *_ in answers] == [call.status for call in CALLS]
    operations = {op["operationId"]: op for path in described["paths"].values() for op in path.values() if "tags" in op}
    assert {call.operation for call in CALLS} == set(operations)
    for call, (_, model, understood, came) in zip(CALLS, answers, strict=True):
        if call.operation == "exportClients":
            assert "79161234569" in came
        if call.status == 204 or call.operation in FILES:
            continue
        assert model_of(operations[call.operation], call.status) in (model, NAMELESS), call
        assert comparable(understood) == comparable(json.loads(came)), call


FILES = ("exportClients", "exportSuppressions")
"""Operations whose answer is a file."""

NAMELESS = ""
"""What a schema without a name is called: each generator gives it one of its own."""


def model_of(operation: dict[str, Any], status: int) -> str:
    """The name of the schema that is documented for an answer, or for each one of its list."""
    if status >= 400:
        return "Error"
    schema = operation["responses"][str(status)]["content"]["application/json"]["schema"]
    return str(schema.get("items", schema).get("$ref", f"/{NAMELESS}").rpartition("/")[2])


def comparable(value: Any) -> Any:
    """JSON with each moment written in one way."""
    if isinstance(value, dict):
        return {name: comparable(one) for name, one in value.items()}
    if isinstance(value, list):
        return [comparable(one) for one in value]
    try:
        return datetime.fromisoformat(value).astimezone(UTC).isoformat() if isinstance(value, str) else value
    except ValueError:
        return value
