"""Plivo's own client (plivo) sends what our adapter sends, and understands the same answers.

It differs in four fields that it always sends with the values that the API has by default: `type` is sms, `method` (of
callbacks) is POST, `log` is true, `trackable` is false. Ours leaves them out.

Its validator and ours agree about signatures of callbacks, the newer ones and the older ones.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import unquote_plus

import pytest

from shared.gateways.base import Callback
from tests.integration.gateways.sdk_callbacks import disagreements, is_accepted, signed_by_us, unsigned
from tests.integration.gateways.sdk_requests import ToServer, VendorModule, sent_by_adapter, sent_by_vendor
from tests.unit.gateways.adapter_cases import PHONE_NUMBER, TEXT, submission_of
from tests.unit.gateways.callback_cases import MESSAGE_URL, callback_account, form_fields, reading
from tests.unit.gateways.samples_plivo import CALLBACKS, NONCE, SAMPLES, UUID
from tests.unit.gateways.test_plivo import AUTH_ID, AUTH_TOKEN, POWERPACK, SENDER, adapter

plivo = VendorModule("plivo")
utils = VendorModule("plivo.utils")
signature_v3 = VendorModule("plivo.utils.signature_v3")

DEFAULTS = {"type": "sms", "method": "POST", "log": "true", "trackable": False}


@pytest.mark.parametrize(("sender", "field"), [(SENDER, "src"), (POWERPACK, "powerpack_uuid")])
def test_a_message_is_sent_alike(sender: str, field: str) -> None:
    def send(url: str) -> None:
        client = plivo.RestClient(AUTH_ID, AUTH_TOKEN)
        client.session.mount("https://", ToServer(url))
        sent: Any = client.messages.create(dst=str(PHONE_NUMBER), text=TEXT, **{field: sender})
        assert sent.message_uuid == [UUID]

    theirs = sent_by_vendor(send, "202 Accepted", json.loads(SAMPLES["accepted"][0].body))
    assert DEFAULTS.items() <= theirs.fields.items()
    fields = {name: value for name, value in theirs.fields.items() if name not in DEFAULTS}
    assert replace(theirs, fields=fields) == sent_by_adapter(submission_of(adapter(sender)))


def test_a_message_with_an_address_for_receipts_is_sent_alike() -> None:
    account = callback_account("plivo")
    account = replace(account, options={"auth_id": AUTH_ID})

    def send(url: str) -> None:
        client = plivo.RestClient(account.options["auth_id"], account.credentials["auth_token"])
        client.session.mount("https://", ToServer(url))
        client.messages.create(dst=str(PHONE_NUMBER), text=TEXT, src=account.sender, url=MESSAGE_URL)

    theirs = sent_by_vendor(send, "202 Accepted", json.loads(SAMPLES["accepted"][0].body))
    ours = sent_by_adapter(submission_of(reading("plivo", account)))
    assert theirs.fields["url"] == ours.fields["url"] == MESSAGE_URL
    assert replace(theirs, fields={**theirs.fields, **ours.fields}) == replace(ours, fields={**DEFAULTS, **ours.fields})


def test_a_message_is_asked_for_alike() -> None:
    account = callback_account("plivo")
    account = replace(account, options={"auth_id": AUTH_ID})

    def ask(url: str) -> None:
        client = plivo.RestClient(AUTH_ID, account.credentials["auth_token"])
        client.session.mount("https://", ToServer(url))
        found: Any = client.messages.get(UUID)
        assert found.message_state == "delivered"

    submission = reading("plivo", account).prepare_poll([CALLBACKS.sent])
    theirs = sent_by_vendor(ask, "200 OK", json.loads(CALLBACKS.polls[0][0].body))
    assert theirs == sent_by_adapter(submission)


PLIVO_TOKEN = callback_account("plivo").credentials["auth_token"]


def fit_for_client(callback: Callback) -> bool:
    """Whether its validator can read the address: it fails for a query that is not ASCII."""
    return unquote_plus(callback.url).isascii()


def validates(callback: Callback) -> bool:
    """By its validator, which fails without a header or with an address that is none."""
    signature = callback.headers.get("x-plivo-signature-v3", "")
    nonce = callback.headers.get("x-plivo-signature-v3-nonce", "")
    fields: Any = form_fields(callback.body) if callback.body else {}
    try:
        accepted: bool = utils.validate_v3_signature(
            callback.method, callback.url, nonce, PLIVO_TOKEN, signature, fields
        )
    except plivo.exceptions.ValidationError:
        return False
    return accepted


def test_its_validator_accepts_what_our_signer_signs() -> None:
    assert all(validates(callback) for callback in signed_by_us("plivo") if fit_for_client(callback))


def test_our_checker_accepts_what_its_signer_signs() -> None:
    for callback in filter(fit_for_client, unsigned("plivo")):
        content = (
            signature_v3.construct_post_url(callback.url, form_fields(callback.body))
            if callback.body
            else signature_v3.construct_get_url(callback.url, {})
        )
        signature = signature_v3.get_signature_v3(PLIVO_TOKEN.encode(), content.decode(), NONCE.encode()).decode()
        headers = {"x-plivo-signature-v3": signature, "x-plivo-signature-v3-nonce": NONCE}
        assert is_accepted("plivo", replace(callback, headers=headers))
        several = {**headers, "x-plivo-signature-v3": f"AAAA,{signature}"}
        assert is_accepted("plivo", replace(callback, headers=several))


def test_both_refuse_the_same_changes() -> None:
    by_post, by_get = [*signed_by_us("plivo")][:2]

    assert by_post.body
    assert not by_get.body
    for callback in (by_post, by_get):
        assert disagreements("plivo", validates, callback) == []


def test_the_older_signature_is_that_of_its_validator() -> None:
    [callback, *_] = unsigned("plivo")
    address = callback.url.partition("?")[0]
    for nonce, token in ((NONCE, PLIVO_TOKEN), ("1", PLIVO_TOKEN), (NONCE, "another")):
        signature = b64encode(hmac.digest(token.encode(), f"{address}{nonce}".encode(), "sha256")).decode()
        headers = {"x-plivo-signature-v2": signature, "x-plivo-signature-v2-nonce": NONCE}
        theirs: bool = utils.validate_signature(callback.url, NONCE, signature, PLIVO_TOKEN)
        assert (
            is_accepted("plivo", replace(callback, headers=headers))
            is theirs
            is (nonce == NONCE and token != "another")
        )
