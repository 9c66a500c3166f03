"""The API behind nginx with its defaults (HTTP/1.0 to what is behind it), which compresses what it hands on."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests import required_tools
from tests.integration.api.calls import API_KEY, CLIENT
from tests.integration.api.running_server import served
from tests.ports import free_ports
from tests.waiting import PATIENCE, eventually

CONFIGURATION = """
daemon off; master_process off; pid {folder}/pid;
events {{ worker_connections 64; }}
http {{
    access_log off; client_max_body_size 0;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    gzip on; gzip_proxied any; gzip_types application/json; gzip_min_length 0;
    server {{ listen 127.0.0.1:{buffering}; location / {{ proxy_pass http://127.0.0.1:{api}; }} }}
    server {{
        listen 127.0.0.1:{handing_on};
        location / {{ proxy_pass http://127.0.0.1:{api}; proxy_request_buffering off; }}
    }}
}}
"""
KEY = {"Authorization": f"Bearer {API_KEY}"}


@pytest.fixture(scope="module")
def addresses(database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """Of a server that reads a body to its end before it hands it on, and of one that hands it on as it comes."""
    program, folder = required_tools.need(required_tools.NGINX), tmp_path_factory.mktemp("nginx")
    ports = free_ports(2)
    with served(database_url, API_WORKERS="1") as api:
        configuration = CONFIGURATION.format(
            folder=folder, api=api.port, **dict(zip(("buffering", "handing_on"), ports, strict=True))
        )
        (folder / "nginx.conf").write_text(configuration)
        running = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf", "-e", folder / "error.log"])
        try:
            found = [f"http://127.0.0.1:{port}" for port in ports]
            eventually(lambda: is_up(folder, running))
            yield found
        finally:
            running.terminate()
            running.wait(PATIENCE)


def is_up(folder: Path, running: subprocess.Popen[bytes]) -> bool:
    """nginx writes its number down once it listens."""
    assert running.poll() is None, (folder / "error.log").read_text()
    return (folder / "pid").exists() and bool((folder / "pid").read_text())


@pytest.mark.usefixtures("clean_database")
def test_what_was_read_compressed_is_written_with_its_tag(addresses: list[str]) -> None:
    path = f"{addresses[0]}/v1/client"
    created = requests.post(f"{path}/create/", json=CLIENT, headers=KEY, timeout=PATIENCE)
    read = requests.get(f"{path}/{created.json()['id']}/", headers=KEY, timeout=PATIENCE)
    assert read.headers["Content-Encoding"] == "gzip"
    assert read.headers["ETag"].startswith("W/")

    def write(tag: str) -> requests.Response:
        return requests.put(read.url, json=CLIENT | {"tag": "x"}, headers=KEY | {"If-Match": tag}, timeout=PATIENCE)

    assert write(read.headers["ETag"]).status_code == 200
    again = write(read.headers["ETag"])
    assert again.status_code == 412
    assert "has been edited since" in again.json()["message"]


def test_a_refusal_of_a_large_body_is_handed_on(addresses: list[str]) -> None:
    for address in addresses:
        for key, kind, status in (({}, "text/csv", 401), (KEY, "image/png", 415), (KEY, "application/json", 415)):
            refused = requests.post(
                f"{address}/v1/client/import/",
                data=b"x" * 50_000_000,
                headers={**key, "Content-Type": kind},
                timeout=PATIENCE,
            )
            assert refused.status_code == status, refused.text
            assert refused.json()["code"] == status
