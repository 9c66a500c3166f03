"""Lists, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import Caller

LINK = re.compile('<(/[^>]+)>; rel="next"')


@pytest.fixture
def rows(connection: Connection) -> None:
    """Seven clients and mailings, fourteen messages of the first two mailings, their history, and four drafts."""
    factories.add_clients(connection, 7)
    for _ in range(7):
        factories.add_mailing(connection)
    factories.execute(
        connection,
        """
        INSERT INTO message (mailing_id, client_id, phone_number)
        SELECT 1 + n %% 2, n, 79160000000 FROM generate_series(1, 14) AS n;
        INSERT INTO mailing_event (mailing_id, action, actor_name)
        SELECT 1 + n %% 2, 'edit', '' FROM generate_series(1, 6) AS n;
        INSERT INTO mailing_draft (fields, mailing_id, created_by, created_by_name)
        SELECT '{}', CASE n WHEN 2 THEN 1 END, '', '' FROM generate_series(1, 4) AS n;
        INSERT INTO mailing_draft_version (draft_id, fields, written_at, written_by_name)
        SELECT 1 + n %% 2, '{}', now(), '' FROM generate_series(1, 6) AS n
        """,
    )


def pages(api: Caller, path: str | None) -> Iterator[list[int]]:
    """The ids on each page, following the links."""
    while path:
        response = api.get(path)
        assert response.status_code == 200
        yield [row["id"] for row in response.json]
        link = LINK.fullmatch(response.headers.get("Link", ""))
        path = link[1] if link else None


@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize(
    ("path", "ids"),
    [
        ("/v1/client/?limit=3", [[1, 2, 3], [4, 5, 6], [7]]),
        ("/v1/client?limit=7", [[1, 2, 3, 4, 5, 6, 7]]),
        ("/v1/client/?limit=3&after=2", [[3, 4, 5], [6, 7]]),
        ("/v1/client/?after=7", [[]]),
        ("/v1/client/?limit=3&operator_code=900&tag=sample", [[1, 2, 3], [4, 5, 6], [7]]),
        ("/v1/client/?limit=3&operator_code=900&after=3", [[4, 5, 6], [7]]),
        ("/v1/mailing/?limit=4", [[1, 2, 3, 4], [5, 6, 7]]),
        ("/v1/message/?limit=5", [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13, 14]]),
        ("/v1/message/?limit=4&mailing_id=1", [[2, 4, 6, 8], [10, 12, 14]]),
        ("/v1/message/?limit=7&status=pending", [[1, 2, 3, 4, 5, 6, 7], [8, 9, 10, 11, 12, 13, 14]]),
        ("/v1/message/?limit=9&phone_number=79160000000", [[1, 2, 3, 4, 5, 6, 7, 8, 9], [10, 11, 12, 13, 14]]),
        ("/v1/message/?limit=6&status=pending&mailing_id=2", [[1, 3, 5, 7, 9, 11], [13]]),
        ("/v1/mailing/1/journal/?limit=2", [[2, 4], [6]]),
        ("/v1/draft/?limit=2", [[1, 3], [4]]),
        ("/v1/draft/1/version/?limit=2", [[2, 4], [6]]),
        ("/v1/mailing/1/message/?limit=4", [[2, 4, 6, 8], [10, 12, 14]]),
        ("/v1/mailing/2/message/?limit=5&status=pending", [[1, 3, 5, 7, 9], [11, 13]]),
    ],
)
def test_the_links_lead_through_the_whole_list(api: Caller, path: str, ids: list[list[int]]) -> None:
    assert list(pages(api, path)) == ids


@pytest.mark.usefixtures("rows")
def test_a_link_keeps_the_filters(api: Caller) -> None:
    response = api.get("/v1/message/?status=pending&limit=2&phone_number=%2B79160000000")
    assert response.headers["Link"] == (
        '</v1/message/?status=pending&limit=2&phone_number=%2B79160000000&after=2>; rel="next"'
    )


def test_a_page_has_a_hundred_rows_unless_it_is_told(api: Caller, connection: Connection) -> None:
    factories.add_clients(connection, 1001)
    assert [len(page) for page in pages(api, "/v1/client/")] == [100] * 10 + [1]
    assert [len(page) for page in pages(api, "/v1/client/?limit=1000")] == [1000, 1]


def test_an_empty_list_is_an_empty_array(api: Caller) -> None:
    for path in ("/v1/client/", "/v1/mailing/", "/v1/message/"):
        response = api.get(path)
        assert response.json == []
        assert "Link" not in response.headers


def test_removed_mailings_leave_no_holes(api: Caller, connection: Connection) -> None:
    for _ in range(6):
        factories.add_mailing(connection)
    factories.execute(connection, "UPDATE mailing SET deleted_at = now() WHERE id IN (1, 3, 4)")
    assert list(pages(api, "/v1/mailing/?limit=2")) == [[2, 5], [6]]
