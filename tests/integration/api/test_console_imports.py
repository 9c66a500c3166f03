"""The console's import of a file: what it will do, what it has done, and why not, in the viewer's language."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from typing import Any

import pytest
from psycopg2.extensions import connection as Connection  # noqa: N812

from tests import factories
from tests.integration.api.calls import Answer, Caller

FILE = (
    "Телефон;Код оператора;Метка;Часовой пояс;Имя\r\n"
    "79161234567;916;постоянные;Europe/Moscow;Анна\r\n"
    "79161234568;916;новые;Марс;Борис\r\n"
    "79161234569;916;новые;Луна;Вера\r\n"
    "79161234567;916;ещё раз;UTC;Анна\r\n"
    "\r\n"
).encode("cp1251")
IMPORTS = "SELECT count(*) FROM audit_entry WHERE operation = 'importClients'"


def send(api: Caller, body: bytes, step: str = "check", language: str = "ru", content_type: str = "text/csv") -> Answer:
    return api.post(
        "/clients/import/",
        data=body,
        content_type=content_type,
        query_string={"step": step},
        headers={"Accept-Language": language, "Accept": "text/html"},
    )


def words(answer: Answer) -> str:
    """What a person reads."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", answer.text)).split())


def test_a_check_shows_how_the_file_is_understood_and_what_the_import_will_do(
    api: Caller, connection: Connection
) -> None:
    before = factories.value(connection, IMPORTS)
    answer = send(api, FILE)
    shown = words(answer)
    assert answer.status_code == 200
    for told in (
        *("Пока ничего не импортировано", "Windows-1251", "точка с запятой"),
        *("Строк в файле 4", "Добавлен", "Пропущено 3", "Пустых строк 1", "постоянные", "Анна"),
        "2 Часовой пояс Укажите часовой пояс по базе IANA, например Europe/Moscow. 3, 4",
        "1 Номер телефона Тот же номер телефона, что в строке 2. 5",
    ):
        assert told in shown, told
    assert 'data-import-step="import"' in answer.text
    assert selects(answer)["Имя"] == "name"
    assert factories.value(connection, "SELECT count(*) FROM client") == 0
    assert factories.value(connection, IMPORTS) == before


def test_an_import_does_what_the_check_has_told(api: Caller, connection: Connection) -> None:
    before = factories.value(connection, IMPORTS)
    shown = words(send(api, FILE, "import", "en"))
    assert "The file is imported. Rows in the file 4 Added 1" in shown
    assert factories.rows(connection, "SELECT phone_number, tag FROM client") == [(79161234567, "постоянные")]
    assert factories.value(connection, IMPORTS) == before + 1
    assert "no row would change anything" in words(send(api, FILE, language="en"))


def test_the_rejected_rows_are_saved_in_the_viewer_s_language_and_for_excel(api: Caller) -> None:
    answer = send(api, FILE, "rejected")
    assert answer.headers["Content-Disposition"] == "attachment; filename=rejected.csv"
    text = answer.data.decode()
    assert text.startswith("\ufeffline;reason;Телефон;")
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=";"))
    assert rows[1] == [
        *("3", "timezone: Укажите часовой пояс по базе IANA, например Europe/Moscow."),
        *("79161234568", "916", "новые", "Марс", "Борис"),
    ]
    corrected = text.replace("Марс", "UTC").replace("Луна", "UTC").encode()
    assert "Строк в файле 3 Добавлено 3" in words(send(api, corrected, "import"))


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"phone;code;tag;\xd7\xe0\xf1\n", ["В строке 1 не хватает столбцов", "operator_code (Код оператора)"]),
        (b"phone;code;tag;\xd7\xe0\xf1\n", ["timezone (Часовой пояс)", "code", "Час"]),
        (b"tag,tag,phone,operator_code,timezone\n", ["повторяются столбцы", "tag (Метка)"]),
        (b"PK\x03\x04", ["Это книга Excel или архив", "CSV UTF-8"]),
        (b"", ["Файл пуст."]),
        (b"x" * 70_000, ["Первая строка с названиями столбцов: Длиннее 65 536 символов."]),
        (FILE + FILE.decode("cp1251").encode(), ["Кодировку не определить: у строк 1 и 7 она разная."]),
    ],
)
def test_why_a_file_is_refused_is_told(api: Caller, body: bytes, told: list[str]) -> None:
    answer = send(api, body, "import")
    assert answer.status_code == 200
    assert "Ничего не изменено." in words(answer)
    for sentence in told:
        assert sentence in words(answer)
    assert "<html" not in answer.text


def test_reasons_of_json_lines_are_told_as_far_as_they_are_known(api: Caller, connection: Connection) -> None:
    body = b'{"phone_number": 1}\n{"phone_number": 1}\nx\n[]\n{"tag": null, "colour": 1}\n'
    shown = words(send(api, body, content_type="application/x-ndjson"))
    for told in (
        "Это поле обязательно.",
        "Строка — не JSON: Expecting value, строка 1, позиция 1.",
        "Это должен быть объект JSON.",
        "Не может быть null.",
    ):
        assert told in shown, told
    wrong: Any = send(api, body, "no step")
    assert wrong.status_code == 400


def test_long_lists_are_cut_with_a_note(api: Caller) -> None:
    header = b"phone," + b",".join(b"c%d" % number for number in range(50))
    assert "and 30 more" in words(send(api, header, language="en"))
    names = "".join(f'{{"{chr(97 + n % 26) * (n // 26 + 1)}": 1}}\n' for n in range(150)).encode()
    assert re.search(r"and \d+ more", words(send(api, names, language="en", content_type="application/x-ndjson")))


CHOSEN = ("Телефон;Код;Метка;Пояс;Город;Прочее\r\n79161234567;916;vip;UTC;Казань;x\r\n").encode()


def selects(answer: Answer) -> dict[str, str]:
    """What is selected for each column."""
    found = re.findall(r'<select[^>]*data-import-column="([^"]*)"(.*?)</select>', answer.text, re.S)
    return {name: html.unescape(re.findall(r'value="([^"]*)" selected', options)[0]) for name, options in found}


def choose(api: Caller, step: str, columns: dict[str, str] | str, **query: str) -> Answer:
    text = columns if isinstance(columns, str) else json.dumps(columns)
    parameters = {"step": step, "columns": text, **query}
    return api.post("/clients/import/", data=CHOSEN, content_type="text/csv", query_string=parameters)


def test_fields_are_chosen_for_columns_and_remembered_for_files_with_the_same_ones(
    api: Caller, connection: Connection
) -> None:
    refused = send(api, CHOSEN)
    assert "В строке 1 не хватает столбцов" in words(refused)
    assert selects(refused) == {
        **{"Телефон": "phone_number", "Код": "-", "Метка": "tag", "Пояс": "-", "Город": "-", "Прочее": "-"}
    }
    columns = {"Код": "operator_code", "Пояс": "timezone", "Город": "+text:город"}
    checked = choose(api, "check", columns)
    expected = selects(refused) | columns
    assert selects(checked) == expected
    assert "Казань" in words(checked)
    assert factories.value(connection, "SELECT count(*) FROM import_mapping") == 0
    assert "The file is imported" in words(choose(api, "import", columns))
    found = factories.rows(connection, "SELECT operator_code, timezone, attributes FROM client")
    assert found == [("916", "UTC", {"город": "Казань"})]
    # The same columns in another order, without a choice.
    again = "Прочее;Город;Метка;Пояс;Код;Телефон\r\nx;Уфа;vip;UTC;916;79161234567\r\n".encode()
    remembered = send(api, again)
    assert selects(remembered) == expected | {"Город": "город"}
    assert "Обновлено 1" in words(remembered)
    api.delete("/v1/client-field/5/", query_string={"values": "remove"})
    assert selects(send(api, again)) == expected | {"Город": "-"}


@pytest.mark.parametrize("columns", ["[]", "x", '{"Код": 5}', '{"Код": "+colour:x"}', '{"Код": "+text"}'])
def test_choices_that_the_page_does_not_offer_are_refused(api: Caller, columns: str) -> None:
    assert choose(api, "check", columns).status_code == 400


def test_the_options_of_an_import_are_those_of_the_api(api: Caller, connection: Connection) -> None:
    options = {"fill": "true", "default_timezone": "Europe/Moscow", "create_fields": "true", "replace_tags": "true"}
    assert "Файл импортирован" in words(
        api.post(
            "/clients/import/",
            data="Телефон;Метки;Город\r\n8 916 123-45-67;a;Казань\r\n".encode(),
            content_type="text/csv",
            query_string={"step": "import", "default_region": "RU", **options},
            headers={"Accept-Language": "ru"},
        )
    )
    found = factories.rows(connection, "SELECT phone_number, operator_code, timezone, tags, attributes FROM client")
    assert found == [(79161234567, "916", "Europe/Moscow", ["a"], {"город": "Казань"})]
    wrong = choose(api, "check", {}, default_timezone="Mars")
    assert wrong.status_code == 400
