"""Two people edit one thing: the second one is told."""

from __future__ import annotations

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import CLIENT, MAILING, Caller, add_client, add_mailing, client_body, mailing_body

RESOURCES = pytest.mark.parametrize("resource", ["client", "mailing"])


def add(api: Caller, resource: str) -> str:
    return f"/v1/{resource}/{add_client(api) if resource == 'client' else add_mailing(api)}/"


def body(resource: str, **changes: object) -> dict[str, object]:
    return client_body(**changes) if resource == "client" else mailing_body(**changes)


CHANGE = {"client": {"tag": "other"}, "mailing": {"text": "Other"}}


def changed(resource: str) -> dict[str, object]:
    return body(resource, **CHANGE[resource])


@RESOURCES
def test_every_read_and_write_of_one_resource_answers_with_its_tag(api: Caller, resource: str) -> None:
    created = api.post(f"/v1/{resource}/create/", json=body(resource))
    path = created.headers["Location"]
    assert api.get(path).headers["ETag"] == created.headers["ETag"]
    assert api.head(path).headers["ETag"] == created.headers["ETag"]
    edited = api.put(path, json=changed(resource))
    assert edited.headers["ETag"] != created.headers["ETag"]
    assert api.get(path).headers["ETag"] == edited.headers["ETag"]


@RESOURCES
def test_writes_need_no_tag(api: Caller, resource: str) -> None:
    path = add(api, resource)
    assert api.put(path, json=changed(resource)).status_code == 200
    assert api.delete(path).status_code == 204


@RESOURCES
def test_a_write_with_the_tag_of_what_is_there_goes_through(api: Caller, resource: str) -> None:
    path = add(api, resource)
    edited = api.put(path, json=changed(resource), headers={"If-Match": api.get(path).headers["ETag"]})
    assert edited.status_code == 200
    assert api.delete(path, headers={"If-Match": edited.headers["ETag"]}).status_code == 204


@RESOURCES
def test_a_write_with_the_tag_of_what_was_there_is_refused(api: Caller, resource: str) -> None:
    path = add(api, resource)
    stale = api.get(path).headers["ETag"]
    now = api.put(path, json=changed(resource))
    for refused in (
        api.put(path, json=body(resource), headers={"If-Match": stale}),
        api.delete(path, headers={"If-Match": stale}),
    ):
        assert refused.status_code == 412
        assert refused.json["code"] == 412
    assert api.get(path).json == now.json


NOT_OURS, NONE = "is not one of this API", "holds no ETag"


@RESOURCES
@pytest.mark.parametrize(
    ("header", "reason"),
    [(header, NONE) for header in ("", '""', ",", '".', r'"\"0f.1a\""')]
    + [(header, NOT_OURS) for header in ('"x"', "x", '"x", "y.z"', "W/*", '"0123456789abcdef"')],
)
def test_a_tag_that_was_never_given_matches_nothing_and_is_told_from_one_of_before(
    api: Caller, resource: str, header: str, reason: str
) -> None:
    path = add(api, resource)
    refused = api.delete(path, headers={"If-Match": header})
    assert refused.status_code == 412
    assert reason in refused.json["message"]
    assert refused.json["errors"] == {"headers": {"If-Match": [refused.json["message"]]}}
    stale = api.get(path).headers["ETag"]
    api.put(path, json=changed(resource))
    edited = api.delete(path, headers={"If-Match": f"{header}, {stale}"})
    assert edited.status_code == 412
    assert "has been edited since" in edited.json["message"]


@RESOURCES
@pytest.mark.parametrize("proxy", ["nginx", "apache"])
def test_a_tag_is_known_again_as_a_compressing_proxy_hands_it_on(api: Caller, resource: str, proxy: str) -> None:
    def handed_on(tag: str) -> str:
        return f"W/{tag}" if proxy == "nginx" else f'{tag[:-1]}-gzip"'

    path = add(api, resource)
    stale = handed_on(api.get(path).headers["ETag"])
    assert api.get(path, headers={"If-None-Match": stale}).status_code == 304
    assert api.put(path, json=changed(resource), headers={"If-Match": stale}).status_code == 200
    assert api.delete(path, headers={"If-Match": stale}).status_code == 412
    assert api.delete(path, headers={"If-Match": handed_on(api.get(path).headers["ETag"])}).status_code == 204


@RESOURCES
def test_one_of_several_tags_is_enough_and_a_star_is_any(api: Caller, resource: str) -> None:
    path = add(api, resource)
    several = f'"x", {api.get(path).headers["ETag"]}'
    assert api.put(path, json=changed(resource), headers={"If-Match": several}).status_code == 200
    assert api.put(path, json=body(resource), headers={"If-Match": "*"}).status_code == 200


@RESOURCES
def test_what_has_not_changed_is_not_sent_again(api: Caller, resource: str) -> None:
    path = add(api, resource)
    tag = api.get(path).headers["ETag"]
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        for read in (api.get, api.head):
            response = read(path, headers={"If-None-Match": header})
            assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", tag)
    assert api.put(path, json=changed(resource), headers={"If-None-Match": "*"}).status_code == 200
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_progress_of_its_messages_is_news_to_a_reader_and_no_edit_to_a_writer(
    api: Caller, connection: Connection
) -> None:
    path = add(api, "mailing")
    tag = api.get(path).headers["ETag"]
    factories.execute(
        connection, "UPDATE mailing SET status = 'running', launch_started_at = now(), max_client_id = 1, audience = 1"
    )
    factories.execute(
        connection, "INSERT INTO message (mailing_id, client_id, phone_number) VALUES (1, 1, 79160000000)"
    )
    assert api.get(path, headers={"If-None-Match": tag}).status_code == 200
    assert api.put(path, json=mailing_body(text="Other"), headers={"If-Match": tag}).status_code == 200


def test_a_resource_that_is_gone_is_not_found_whatever_the_tag(api: Caller) -> None:
    for path, what in (("/v1/client/1/", CLIENT), ("/v1/mailing/1/", MAILING)):
        assert api.put(path, json=what, headers={"If-Match": "*"}).status_code == 404
        assert api.get(path, headers={"If-None-Match": "*"}).status_code == 404


def test_lists_have_no_tags(api: Caller) -> None:
    assert "ETag" not in api.get("/v1/mailing/").headers
