"""Declared contracts: how their mistakes are named, which patterns they may have, and the files that come with them."""

from __future__ import annotations

import re
from pathlib import Path

import click.testing
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.contract_command import check_contract
from shared.domain.delivery import ReceiptState, UndeliveredReason
from shared.domain.results import Result
from shared.errors import ConfigurationError
from shared.gateways.base import LookUp
from shared.gateways.declared.contract_file import read_contract
from shared.gateways.declared.patterns import compile_pattern
from tests.database import ROOT
from tests.unit.gateways.contracts import MINIMAL, declared, quickly
from tests.unit.gateways.samples_http import EXAMPLES


def mistakes(contract: str) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        read_contract(contract)
    return str(error.value).splitlines()


# Mistakes


LOOK_UP = '[look_up]\nafter = 1\nmethod = "GET"\n'

MISTAKES = [
    ("POST", "PATCH", 4, "request.method must be one of GET, POST, PUT"),
    ('method = "POST"\n', "", 3, "request.method is missing: one of GET, POST, PUT"),
    ('"/send"', '"send"', 5, "request.path must begin with /"),
    ('"/send"', '"/a b"', 5, "request.path must have only the characters of addresses: percent-encode all others"),
    ('"/send"', '"/{text}"', 5, "request.path may have {text} only after a question mark"),
    ('"/send"', '"/{id:number}"', 5, "request.path may have :number only as all of a value"),
    ('body = "form"\n', "", 3, "request.body is missing: one of form, json, query"),
    ('"POST"', '"GET"', 6, "request.body must be one of query"),
    (
        '"{phone}"',
        '"{phon}"',
        10,
        "request.fields.to has {phon}, which cannot stand here; known here: id, phone, plus_",
    ),
    ('"{phone}"', '"{phone"', 10, "request.fields.to has a single {: write {{ for a brace"),
    ('"{phone}"', '"{phone:number}"', 10, "request.fields.to may have :number only in JSON"),
    ('"{phone}"', "true", 10, "request.fields.to must be a text or a whole number"),
    ('"{phone}"', '"7"', 3, "request sends no {phone}"),
    ('"{text}"', '"Hello"', 3, "request sends no {text}"),
    ('key = "{key}"\n', "", 1, "credentials names key, which is not used"),
    ('["key"]', '["key", "id"]', 1, "credentials must not be id: that is a placeholder of its own"),
    ('["key"]', '"key"', 1, "credentials must be a list of names of letters, digits and _"),
    ('"text"\n', '"xml"\n', 14, "answer.format must be one of json, text"),
    ("'^(\\w+)'", "'^(\\w+'", 15, "answer.code is no pattern that can be used: missing ), unterminated subpattern"),
    ("'^(\\w+)'", "'^\\w+'", 15, "answer.code must have one group in parentheses"),
    ("'^(\\w+)'", "'(a+)+'", 15, "answer.code repeats what is no single character: + at position 5"),
    ("'^(\\w+)'", "7", 15, "answer.code must be a pattern, or a list of at most 5 of them"),
    ("code = ", "kode = ", 15, "answer.kode is not known; known here: code, format, id"),
    ('"accepted"', '"accept"', 18, "results.OK must be one of accepted, duplicate, refused, retriable, opted_out, "),
    ('"accepted"', '"unreachable"', 18, "results.OK must be one of accepted, duplicate"),
    ('"accepted"', '"refused"', 17, "results and statuses name nothing that is accepted"),
    ("OK = ", '"*" = ', 18, "results.* must be a code of at most 40 characters"),
    ("[results]", "[statuses]", 18, "statuses.OK must be an HTTP status such as 429"),
    (
        '"accepted"',
        '{ result = "misconfigured", reason = "poor" }',
        18,
        "results.OK.reason must be one of credentials_",
    ),
    ('"accepted"', '{ result = "accepted", more = 1 }', 18, "results.OK.more is not known; known here: result"),
    (
        '"accepted"\n',
        '"accepted"\n\n[statuses]\n404 = "accepted"\n',
        21,
        "statuses.404 must not be accepted: only statuses",
    ),
    (
        '"accepted"\n',
        '"accepted"\n[capabilities]\nmax_text = 0\n',
        20,
        "capabilities.max_text must be a whole number from 1",
    ),
    (
        '"accepted"\n',
        '"accepted"\n[capabilities]\nreference = true\n',
        20,
        "capabilities.reference needs {id} in the request",
    ),
    ('"accepted"\n', '"accepted"\n[headers]\nHost = "x"\n', 20, "headers.Host is no header that may be set"),
    (
        '"accepted"\n',
        '"accepted"\n[headers]\nX-Id = "{id}"\n',
        20,
        "headers.X-Id has {id}, which cannot stand here; the same in",
    ),
    (
        '"accepted"\n',
        '"accepted"\n[headers]\nX-A = "имя"\n',
        20,
        "headers.X-A must have printable ASCII characters only",
    ),
    ('"accepted"\n', '"accepted"\n[headers]\nX-A = "a\\r\\nB: c"\n', 20, "headers.X-A must have printable ASCII"),
    ('"accepted"\n', '"accepted"\n[headers]\nX-A = "a"\nx-a = "a"\n', 21, "headers.x-a is there twice"),
    ('"accepted"\n', '"accepted"\n[basic]\nuser = "{key}"\n', 19, "basic.password is missing"),
    ('"accepted"\n', '"accepted"\n[look_up]\nmethod = "GET"\npath = "/"\n', 19, "look_up.after must be a whole number"),
    ('"accepted"\n', '"accepted"\n[extra]\n', 19, "extra is not known; known here: answer, basic, capabilities"),
    ('"accepted"\n', '"accepted"\nOK = "refused"\n', 19, "column 15: Cannot overwrite a value"),
    ('"accepted"\n', '"accepted"\nX = \n', 19, "column 5: Invalid value"),
    ('"accepted"\n', f'"accepted"\nX = {"9" * 5000}\n', 19, "must have at most 1000 characters"),
    ('"accepted"\n', f'"accepted"\nX = {"[" * 900}\n', 19, "nested too deeply"),
    ("code = '^(\\w+)'", "id = '(\\d+)'", 17, "results needs answer.code, which says where the code stands"),
    (
        '"accepted"\n',
        '"accepted"\n[headers]\nauthorization = "x"\n[basic]\nuser = "{key}"\npassword = "x"\n',
        21,
        "basic and a header Authorization exclude each other",
    ),
    ('"accepted"\n', f'"accepted"\n{LOOK_UP}path = "/{{id}}"\n', 19, "look_up needs {id} in the request"),
    ('"accepted"\n', f'"accepted"\n{LOOK_UP}path = "/"\n', 19, "look_up does not ask by {id}"),
    (
        '"accepted"\n',
        f'"accepted"\n{LOOK_UP}within = 1\n',
        22,
        "look_up.within leaves no time between after and within",
    ),
    (
        '"accepted"\n',
        f'"accepted"\n{LOOK_UP}path = "/{{text}}"\n',
        22,
        "look_up.path has {text}, which cannot stand here",
    ),
    ('"accepted"\n', f'"accepted"\n{LOOK_UP}[look_up.results]\n1 = "found"\n', 22, "look_up.results needs answer.code"),
    (
        "code = '^(\\w+)'\n\n[results]\nOK",
        "\n[statuses]\n200 = 'accepted'\n[statuses.400]\nA",
        19,
        "statuses.400.A must not be accepted",
    ),
    (
        "code = '^(\\w+)'\n\n[results]\nOK = \"accepted\"",
        "\n[statuses]\n200 = 'accepted'\n[statuses.400]\nA = 'refused'",
        16,
        "statuses needs answer.code",
    ),
]


@pytest.mark.parametrize(("old", "new", "line", "mistake"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_is_named_with_its_line(old: str, new: str, line: int, mistake: str) -> None:
    named = mistakes(declared(old, new))

    assert [one for one in named if re.match(rf"contract, line {line}(: |, ){re.escape(mistake)}", one)], named


def test_all_mistakes_are_named_in_the_order_of_their_lines() -> None:
    contract = MINIMAL.replace("POST", "PATCH").replace('"accepted"', '"yes"').replace("{phone}", "{to}")
    lines = [int(one.split()[2].rstrip(":")) for one in mistakes(contract)]

    assert {4, 10, 18} <= {*lines}
    assert lines == sorted(lines)


def test_the_line_of_a_value_within_several_lines_is_that_of_its_key() -> None:
    contract = declared('"form"', '"json"').replace(
        'text = "{text}"', '# a comment\ntext = """\n{text}\n"""\nlist = [\n  "{no}",\n]\n'
    )

    assert mistakes(contract)[0].startswith("contract, line 15: request.fields.list.0 has {no}")
    assert mistakes(contract.replace("\n", "\r\n"))[0].startswith("contract, line 15: request.fields.list.0 has {no}")


@quickly
@given(st.text(max_size=100) | st.binary(max_size=100).map(lambda data: data.decode("latin-1")))
def test_any_text_is_a_contract_or_a_mistake(text: str) -> None:
    for contract in (text, MINIMAL.replace("{text}", text), MINIMAL.replace("^(\\w+)", text), f"{MINIMAL}\n{text}"):
        try:
            read_contract(contract)
        except ConfigurationError as error:
            for line in str(error).splitlines():
                assert re.match(r"contract, line \d+(, column \d+)?: ", line)
                assert line.isprintable()


@pytest.mark.parametrize(
    "text", ["", "x" * 20_000, "\n" * 500, "a." * 5000 + "a = 1", "[request]\nfields." + "a." * 500 + "a = 1"]
)
def test_what_is_no_contract_at_all_is_a_mistake(text: str) -> None:
    assert mistakes(text)


# Patterns


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^OK:(\d+)$", "Hello\nOK:77\n", "77"),
        (r'Success "([^"]*)"', 'Success "a-b"', "a-b"),
        (r"(?:ID|id)=([0-9a-f]{4,8})", "id=00ff", "00ff"),
        (r"^(\d{3}|ERR)", "ERR 5", "ERR"),
        (r"\{(\w+)\}", "{x}", "x"),
        (r"^(.*),", "a,b", None),  # it gives nothing back
    ],
)
def test_a_pattern_finds_its_group(pattern: str, text: str, found: str | None) -> None:
    match = compile_pattern(pattern).search(text)

    assert (match and match[1]) == found


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "(a|a)*b",
        "(?:a*)*(b)",
        "(a*?)b",
        "(a)(b)",
        r"(a)\1",
        "(?P<x>a)",
        "(?=a)(b)",
        "(?i)(a)",
        "(a",
        "a)",
        "*(a)",
        "",
        "a",
        "(a{9})+",
        "([a",
        "[[a](b)",
        "(a{5,2})",
        r"(\x)",
        "(" + "a" * 300 + ")",
        "(" + "a|" * 9 + "a)",
        "([a--b])",
    ],
)
def test_a_pattern_that_could_take_long_or_means_nothing_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match=r"^(is|must|repeats)"):
        compile_pattern(pattern)


# The files


@pytest.mark.parametrize("file", sorted(EXAMPLES.glob("*.toml")), ids=lambda file: file.name)
def test_an_example_is_a_contract(file: Path) -> None:
    done = click.testing.CliRunner().invoke(check_contract, [str(file)])

    assert (done.exit_code, done.output) == (0, "ok\n")


def test_the_command_names_the_mistakes_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "contract.toml"
    file.write_text(MINIMAL.replace("POST", "PATCH").replace('"accepted"', '"yes"'))
    done = click.testing.CliRunner().invoke(check_contract, [str(file)])

    assert done.exit_code == 1
    assert done.output.startswith("contract, line 4: request.method must be one of GET, POST, PUT\ncontract, line ")
    file.write_bytes(b"\xff")
    assert click.testing.CliRunner().invoke(check_contract, [str(file)]).output == "contract: must be text in UTF-8\n"


def test_the_reference_names_every_key_and_every_result() -> None:
    page = (ROOT / "docs" / "gateways" / "http.md").read_text()
    known = [
        *mistakes("extra = 1"),
        *mistakes("[answer]\nextra = 1"),
        *mistakes("[request]\nextra = 1\n"),
        *mistakes("[capabilities]\nextra = 1"),
        *mistakes("[receipts]\nextra = 1"),
        *mistakes("[inbound]\nextra = 1"),
        *mistakes("[signature]\nhmac = 1\nextra = 1"),
        *mistakes("[signature]\nextra = 1"),
    ]
    keys = {key for one in known if "known here: " in one for key in one.partition("known here: ")[2].split(", ")}
    results = {result.value for result in Result} - {"unreachable"}
    deliveries = {*map(str, ReceiptState), *map(str, UndeliveredReason)}

    assert len(keys) > 40
    assert [
        word
        for word in sorted(keys | results | deliveries | {look_up.value for look_up in LookUp} - {"unclear"})
        if f"`{word}`" not in page
    ] == []
