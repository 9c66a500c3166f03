"""What pages load: kept for a year at an address with its version, compressed for whoever takes that."""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable

import pytest

from api.http.static_files import Assets
from tests.integration.api.calls import Caller

YEAR = "public, max-age=31536000, immutable"
PAGES = pytest.mark.parametrize("page", ["/login/", "/clients/", "/docs/"])


def assets_of(api: Caller, page: str) -> list[str]:
    """The addresses of a page's styles, scripts and pictures."""
    found = re.findall(r'<(?:script|link|use)[^>]* (?:src|href)="([^"#]+)', api.get(page).text)
    assert found
    return found


@PAGES
def test_what_a_page_loads_is_kept_for_a_year_and_compressed(api: Caller, page: str) -> None:
    for address in assets_of(api, page):
        plain, packed = (api.get(address, headers={"Accept-Encoding": coding}) for coding in ("gzip;q=0", "br, gzip"))
        assert plain.headers["Cache-Control"] == packed.headers["Cache-Control"] == YEAR, address
        assert "Content-Encoding" not in plain.headers
        if plain.mimetype == "image/png":
            assert packed.data == plain.data
            continue
        assert packed.headers["Content-Encoding"] == "gzip", address
        assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"
        assert gzip.decompress(packed.data) == plain.data
        assert packed.headers["ETag"] != plain.headers["ETag"]
        again = api.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": packed.headers["ETag"]})
        assert (again.status_code, again.data, again.headers["Cache-Control"]) == (304, b"", YEAR)


@PAGES
@pytest.mark.parametrize("version", ["", "0123456789abcdef/"], ids=["no version", "one of before"])
def test_at_another_address_it_is_kept_for_minutes(api: Caller, page: str, version: str) -> None:
    for address in assets_of(api, page):
        folder, _, name = address.lstrip("/").split("/")
        answer = api.get(f"/{folder}/{version}{name}")
        assert (answer.status_code, answer.headers["Cache-Control"]) == (200, "public, max-age=300")
    assert api.get(f"/{folder}/{version}nothing.js").status_code == 404
    assert api.get(f"/{folder}/{version}..%2F__init__.py").status_code == 404


def test_the_openapi_document_has_one_address_and_is_compressed(api: Caller) -> None:
    plain = api.get("/docs/openapi.json")
    packed = api.get("/docs/openapi.json", headers={"Accept-Encoding": "gzip"})
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 4
    assert packed.headers["Cache-Control"] == "public, max-age=300"


def test_the_version_is_another_one_when_a_file_changes() -> None:
    def version(**files: bytes) -> str:
        def reading(content: bytes) -> Callable[[], bytes]:
            return lambda: content

        return Assets({name: reading(content) for name, content in files.items()}).version

    one = version(a=b"1", b=b"2")
    assert one == version(b=b"2", a=b"1")
    assert len({one, version(a=b"1", b=b"3"), version(a=b"1", c=b"2"), version(a=b"12", b=b"")}) == 4
