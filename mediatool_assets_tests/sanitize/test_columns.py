"""Values of every type are masked as the archive writes them."""

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.core.schema import Column
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.demo.values import JSON, JSONB
from mediatool_assets.sanitize.pseudonyms import PseudonymKind
from mediatool_assets.sanitize.redaction import REDACTED, Masker
from mediatool_assets.sanitize.rules import (
    REDACT,
    MaskingRule,
    MaskingVerb,
    Unclassified,
    column_mask,
    steps,
)
from mediatool_assets_tests.raw_archives import column

KINDS = (
    PseudonymKind("person", "person"),
    PseudonymKind("number", "number", "CN-"),
    PseudonymKind("id", "uuid"),
)
KEEP = MaskingRule(MaskingVerb.KEEP)
DROP = MaskingRule(MaskingVerb.DROP)
PERSON = MaskingRule(MaskingVerb.PSEUDONYM, "person")
NUMBER = MaskingRule(MaskingVerb.PSEUDONYM, "number")


def masker() -> Masker:
    """A masker that has done nothing yet."""
    return Masker(MaskingKey(bytes(i * 37 % 256 for i in range(32))), KINDS)


def mask(of: Column, rule: MaskingRule, value: str) -> str:
    """The masked JSON of a value's JSON."""
    made = column_mask(masker(), rule, "t.c", of)
    return value if made is None else made(value.encode()).decode()


def generalize(step: str) -> MaskingRule:
    """A rule that makes coarser."""
    return MaskingRule(MaskingVerb.GENERALIZE, step)


def noise(percent: int) -> MaskingRule:
    """A rule that blurs."""
    return MaskingRule(MaskingVerb.NOISE, str(percent))


def typed(type_: str) -> Column:
    """A column of a type with its length or scale."""
    return msgspec.structs.replace(column("c", type_.partition("(")[0]), type=type_)


def document(**paths: MaskingRule | None) -> MaskingRule:
    """A rule for a document; double underscores stand for what a path is made of."""
    otherwise = paths.pop("otherwise", None)
    named = {path.replace("__each", "[]").replace("__", "."): rule for path, rule in paths.items()}
    return MaskingRule(
        MaskingVerb.JSON, paths=tuple((p, r) for p, r in named.items() if r is not None),
        otherwise=otherwise,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "value", "made"),
    [
        ("integer", "7", "0"),
        ("bigint", '"9223372036854775807"', "0"),
        ("numeric", '"7.00"', '"0"'),
        ("money", '"7.00"', '"0.00"'),
        ("boolean", "true", "false"),
        ("date", '"2024-05-17"', '"1970-01-01"'),
        (
            "uuid",
            '"5bf32b6b-8449-4d0c-8556-f8ca7ee54fef"',
            f'"{"0" * 8}-0000-0000-0000-{"0" * 12}"',
        ),
        ("bytea", '"\\\\x4142"', '"\\\\x"'),
        ("jsonb", '{"a": 1}', "{}"),
        ("json", '"[1,2]"', '"{}"'),
        ("inet", '"10.0.0.1"', "null"),
        ("text", "null", "null"),
        ("integer[]", "[1,null,[2]]", "[0,null,[0]]"),
        ("text[]", '"[0:1]={a,b}"', "[]"),
        ("point[]", '"{(1,2)}"', '"{}"'),
    ],
)
def test_redaction_leaves_a_value_of_the_type(type_: str, value: str, made: str) -> None:
    """Nothing is left of the value; null stays null."""
    assert mask(column("c", type_), REDACT, value) == made


def test_numeric_keeps_its_declared_scale() -> None:
    """What stands for a number is as PostgreSQL prints one of that type."""
    of = Column("c", "numeric(5,4)", "numeric")
    assert mask(of, REDACT, '"0.1234"') == '"0.0000"'


@pytest.mark.parametrize("type_", ["text", "uuid", "integer", "jsonb", "text[]"])
def test_a_dropped_value_is_null(type_: str) -> None:
    """Whatever it was."""
    value = {"integer": "1", "jsonb": "{}", "text[]": '["a"]'}.get(type_, '"a"')
    assert mask(column("c", type_), MaskingRule(MaskingVerb.DROP), value) == "null"


def test_elements_of_arrays_are_the_values_of_columns() -> None:
    """An array's element and a column's value have the same pseudonym, at any depth."""
    single = json.loads(mask(column("c"), NUMBER, '"CN-4612"'))
    many = json.loads(mask(column("c", "text[]"), NUMBER, '["CN-4612",null,["CN-4612",""]]'))
    assert many == [single, None, [single, ""]]


@pytest.mark.parametrize("value", ["1234567890123456", '"9223372036854775807"', "-12", "0"])
def test_bigints_are_numbers_as_long_as_a_double_holds_them(value: str) -> None:
    """Beyond, they are strings, as the export writes them."""
    made = mask(column("c", "bigint"), NUMBER, value)
    assert made.startswith('"') == (abs(int(made.strip('"'))) > 2**53)
    assert len(made.strip('"')) == len(value.strip('"'))


def test_paths_reach_what_they_name() -> None:
    """Names, items and any name; what is kept is kept to the byte, and spaced as jsonb does."""
    rule = document(
        owner__name=PERSON, codes__each=NUMBER, spend__each__amount=noise(20), note=REDACT,
        kept=KEEP,
    )  # fmt: skip
    text = (
        '{"kept": {"x": [1.50,  "é"]}, "note": "call me", "codes": ["CN-4612", null, 4612], '
        '"owner": {"name": "Ada"}, "spend": [{"amount": 10.50}, {"amount": 0}]}'
    )
    made = mask(column("c", "jsonb"), rule, text)
    assert made.startswith('{"kept": {"x": [1.50,  "é"]}, "note": "')
    found = json.loads(made)
    assert found["owner"]["name"] == json.loads(mask(column("c"), PERSON, '"Ada"'))
    assert found["codes"][0] == json.loads(mask(column("c"), NUMBER, '"CN-4612"'))
    assert len(str(found["codes"][2])) == 4
    assert len(found["note"]) == len("call me")
    assert found["spend"][1]["amount"] == 0
    assert 0 < abs(found["spend"][0]["amount"] - 10.5) < 3


@pytest.mark.parametrize("value", ['{"new": "Ada"}', '{"owner": "Ada"}', '"\\"Ada\\""', "[1]"])
def test_what_no_path_reaches_stops(value: str) -> None:
    """An unknown name, or another shape than the paths', is not let through."""
    with pytest.raises(Unclassified):
        mask(column("c", "jsonb"), document(owner__name=PERSON), value)


@pytest.mark.parametrize(
    ("value", "made"),
    [
        ('{"new": "Ada", "n": 5, "b": true, "o": {"x": 1}, "a": [1], "z": null}',
         {"new": 3, "n": 0, "b": False, "o": {}, "a": [], "z": None}),
        ('{"owner": "Ada"}', {"owner": 3}),
    ],
)  # fmt: skip
def test_or_is_redacted(value: str, made: dict[str, Any]) -> None:
    """With ``otherwise: redact``, or where the run says so, all of it goes."""
    rule = document(owner__name=PERSON).redacting()
    found = json.loads(mask(column("c", "jsonb"), rule, value))
    lengths = {k: len(v) if isinstance(v, str) else v for k, v in found.items()}
    assert lengths == made


@pytest.mark.parametrize("value", JSONB)
def test_no_word_of_an_unknown_document_is_left(value: str) -> None:
    """Awkward documents are redacted into documents that the archive's rules allow."""
    of, rule = column("c", "jsonb"), document(known=KEEP).redacting()
    nested = value if value[0] in "{[" else json.dumps(value)
    made = json.loads(mask(of, rule, nested))
    assert "quote" not in json.dumps(made)
    assert made is not None


@pytest.mark.parametrize("value", [*JSON, '{"half": "\\ud800"}'])
def test_json_stays_a_text(value: str) -> None:
    """A json column's value is a string that holds a document, readable or not."""
    made = json.loads(mask(column("c", "json"), document(a=KEEP).redacting(), json.dumps(value)))
    assert isinstance(made, str)
    assert isinstance(json.loads(made), object)


def test_a_number_that_no_double_holds_makes_a_string_of_its_document() -> None:
    """As the export writes jsonb: 17 digits are not trusted to a reader of doubles."""
    rule = document(account=NUMBER, otherwise=KEEP)
    of = column("c", "jsonb")
    made = [mask(of, rule, f'{{"account": {n}}}') for n in range(10**17, 10**17 + 20)]
    for text in made:
        is_string = text.startswith('"')
        account = json.loads(json.loads(text) if is_string else text)["account"]
        assert is_string == (float(account) != account or repr(float(account)) != f"{account:.0f}")


@pytest.mark.parametrize(
    "rule",
    [noise(20), generalize("10"), NUMBER],
)
@pytest.mark.parametrize("value", ["1e30000000", "-1e400000", "9" * 131_073])
def test_numbers_that_nothing_counts_with_are_taken_away(value: str, rule: MaskingRule) -> None:
    """json holds them, and they are no mistake of the archive."""
    made = mask(column("c", "json"), document(a=rule), json.dumps(f'{{"a": {value}}}'))
    assert json.loads(made) == '{"a": 0}'


def test_a_text_that_is_no_date_is_redacted() -> None:
    """A step of time is none of a name, nor of a name behind a date."""
    rule = document(a=generalize("year"))
    for value in ("Ada", "2024-05-17TAda", "2024-05-17T10:11:12Ada", "2024-05-17 Ada"):
        assert "Ada" not in mask(column("c", "jsonb"), rule, f'{{"a": "{value}"}}')
    assert mask(column("c", "jsonb"), rule, '{"a": "2024-05-17"}') == '{"a": "2024-01-01"}'


@pytest.mark.parametrize("path", ["", "a..b", "a[0]", "a]b[", "[].", "."])
def test_paths_that_cannot_be(path: str) -> None:
    """A path that names nothing is refused."""
    with pytest.raises(ValueError, match="is not a path"):
        steps(path)


@given(st.lists(st.sampled_from(["a", "b.c", "*", "[]"]), min_size=1, max_size=4))
def test_paths_are_names_and_items(parts: list[str]) -> None:
    """Names come apart at dots, and brackets stand for items."""
    path = ".".join(parts).replace(".[]", "[]")
    found = steps(path)
    assert [step for step in found if step] == [
        step for part in parts for step in part.replace("[]", "").split(".") if step
    ]
    assert found.count("") == parts.count("[]")


def test_blanks_at_the_end_of_character_count_nothing() -> None:
    """A key of char(5) and one of char(9) that refers to it have one pseudonym; so has varchar."""
    values = {"character(5)": "ab12 ", "character(9)": "ab12     ", "character varying(9)": "ab12"}
    made = {}
    for type_, value in values.items():
        made[type_] = mask(typed(type_), NUMBER, f'"{value}"').strip('"')
    one = made["character varying(9)"]
    assert made["character(5)"] == one.ljust(5)
    assert made["character(9)"] == one.ljust(9)
    assert mask(typed("character"), NUMBER, '"  "') == '""'


@pytest.mark.parametrize(
    ("type_", "step", "value", "made"),
    [
        ("text", "first 2", '"Ada"', '"Ad"'),
        ("text", "first 3", '"Ad"', '"Ad"'),
        ("date", "month", '"2024-05-17"', '"2024-05-01"'),
        ("numeric", "0.05", '"0.3712"', '"0.3500"'),
        ("money", "10", '"17.00"', '"10.00"'),
        ("integer", "10", "17", "10"),
        ("integer", "10", "-17", "-20"),
        ("bigint", "1", "9007199254740992", "9007199254740992"),
        ("bigint", "1", "-9007199254740992", "-9007199254740992"),
        ("bigint", "1", '"9007199254740993"', '"9007199254740993"'),
        ("bigint", "1", '"-9007199254740993"', '"-9007199254740993"'),
        ("bigint", "10", '"9007199254740999"', "9007199254740990"),
        ("integer[]", "10", "[17,null,[25]]", "[10,null,[20]]"),
    ],
)
def test_values_are_made_coarser(type_: str, step: str, value: str, made: str) -> None:
    """Each as its type is written; whole numbers beyond 2**53 are strings."""
    assert mask(column("c", type_), generalize(step), value) == made


@pytest.mark.parametrize(
    ("type_", "value", "limit"),
    [
        ("smallint", "32767", "32767"),
        ("integer", "-2147483647", "2147483647"),
        ("bigint", '"9223372036854775807"', "9223372036854775807"),
        ("money", '"92233720368547758.07"', "92233720368547758.07"),
        ("numeric(5,2)", '"999.99"', "999.99"),
        ("numeric(2,0)", '"99"', "99"),
    ],
)
def test_noise_fits_the_column(type_: str, value: str, limit: str) -> None:
    """The greatest value of a type changes, and has the same type."""
    for percent in range(10, 99, 8):
        made = mask(typed(type_), noise(percent), value)
        assert made != value
        assert Decimal(made.strip('"')).copy_abs() <= Decimal(limit)
        of_text = not type_.endswith("int") and type_ != "integer"
        assert made.startswith('"') == (of_text or abs(int(made.strip('"'))) > 2**53)


@pytest.mark.parametrize(
    ("type_", "rule", "value", "taken"),
    [
        ("text", DROP, '"Ada"', {"Ada"}),
        (
            "uuid",
            REDACT,
            '"5bf32b6b-8449-4d0c-8556-f8ca7ee54fef"',
            {"5bf32b6b-8449-4d0c-8556-f8ca7ee54fef"},
        ),
        ("integer", REDACT, "12345678", {"12345678"}),
        ("bigint", REDACT, '"9007199254740993"', {"9007199254740993"}),
        ("numeric", DROP, '"12.50"', {"12.50"}),
        ("jsonb", REDACT, '{"a": ["Ada", 12]}', {"Ada", "12"}),
        ("json", DROP, '"{\\"a\\": \\"Ada\\"}"', {"Ada"}),
        ("date", REDACT, '"2024-05-17"', set()),
        ("boolean", DROP, "true", set()),
        ("text[]", REDACT, '["Ada", null, ["Bob"]]', {"Ada", "Bob"}),
        ("text[]", REDACT, '"{Ada,Bob}"', {"Ada", "Bob"}),
        ("text", generalize("first 1"), '"Ada"', {"Ada"}),
        ("text", DROP, "null", set()),
    ],
)
def test_what_is_taken_away_is_remembered(
    type_: str, rule: MaskingRule, value: str, taken: set[str]
) -> None:
    """For the search: all but times, truths and labels, which are equal by chance."""
    made = masker()
    of = column_mask(made, rule, "t.c", column("c", type_))
    assert of is not None
    of(value.encode())
    assert set(made.pairs[REDACTED]) - {"[", "]"} == taken


def test_labels_are_not_remembered() -> None:
    """An enum's, in an array or not; what is left of the array is one."""
    made = masker()
    single = msgspec.structs.replace(column("c", "stage"), kind="e")
    many = msgspec.structs.replace(column("c", "stage[]"), element_kind="e")
    assert mask(single, REDACT, '"won"') == "null"
    assert mask(many, REDACT, '["won"]') == "[null]"
    of = column_mask(made, REDACT, "t.c", single)
    assert of is not None
    of(b'"won"')
    assert made.pairs[REDACTED] == {}


def test_values_are_counted() -> None:
    """Each that is not null, by its place and rule, however often it was seen; so are elements."""
    made = masker()
    for rule, type_, values in (
        (PERSON, "text", ['"Ada"', '"Ada"', "null", '"Bob"']),
        (NUMBER, "text[]", ['["CN-1", "CN-1", null]', '"{a}"']),
    ):
        of = column_mask(made, rule, f"t.{type_}", column("c", type_))
        assert of is not None
        for value in values:
            of(value.encode())
    assert made.counts == {("t.text", "pseudonym person"): 3, ("t.text[]", "pseudonym number"): 2}


def test_places_of_documents_are_counted() -> None:
    """As columns are: with every item of an array, and a document that cannot be read as one."""
    made = masker()
    rule = document(a__each__b=PERSON, c=DROP, d__each=NUMBER, otherwise=REDACT)
    of = column_mask(made, rule, "t.c", column("c", "json"))
    assert of is not None
    each = '{"a": [{"b": "Ada"}, {"b": "Ada"}, {"b": null}], "c": 1, "d": [1, 1, 2], "e": "x"}'
    for text in (each, each, "null", '{"half": "\\ud800"}'):
        of(json.dumps(text).encode())
    of(b"null")
    counts = {"pseudonym person": 4, "drop": 2, "pseudonym number": 6, "redact": 3}
    assert made.counts == {("t.c", words): count for words, count in counts.items()}
    assert set(made.pairs["person"]) == {"Ada"}
    assert {"x", "1"} <= set(made.pairs[REDACTED])


@pytest.mark.parametrize(
    ("rule", "value", "made"),
    [
        (REDACT, "true", "false"),
        (REDACT, "false", "false"),
        (REDACT, "1.50", "0"),
        (REDACT, '{"x": "Ada"}', "{}"),
        (REDACT, '["Ada"]', "[]"),
        (REDACT, "null", "null"),
        (DROP, "true", "null"),
        (DROP, "1.50", "null"),
        (DROP, '"Ada"', "null"),
        (DROP, '{"x": "Ada"}', "null"),
        (DROP, '["Ada"]', "null"),
        (generalize("first 2"), '"Ada"', '"Ad"'),
        (generalize("first 2"), "123", "0"),
        (generalize("year"), '"2024-05-17"', '"2024-01-01"'),
        (generalize("year"), "2024", "0"),
        (generalize("10"), "17.50", "10.00"),
        (generalize("10"), "true", "false"),
        (NUMBER, "1.5", "0"),
        (NUMBER, "1e2", "0"),
        (NUMBER, "8" * 201, "0"),
        (NUMBER, "-" + "8" * 200, "0"),
        (PERSON, "12", "0"),
        (PERSON, "true", "false"),
        (PERSON, '""', '""'),
    ],
)
def test_every_kind_of_value_in_a_document(rule: MaskingRule, value: str, made: str) -> None:
    """What a rule cannot be carried out on is emptied: nothing is let through."""
    assert mask(column("c", "jsonb"), document(a=rule), f'{{"a": {value}}}') == f'{{"a": {made}}}'


@pytest.mark.parametrize("rule", [REDACT, noise(20), generalize("10")])
@pytest.mark.parametrize("value", ["2024-05-17", "Ada Ashgrove", "infinity"])
def test_a_text_in_a_document_becomes_another(rule: MaskingRule, value: str) -> None:
    """A date too, and where the rule is for numbers: of its length, and nothing of it."""
    made = json.loads(mask(column("c", "jsonb"), document(a=rule), f'{{"a": "{value}"}}'))
    assert len(made["a"]) == len(value)
    assert value not in made["a"]


def test_a_number_in_a_document_is_that_of_a_column() -> None:
    """Up to 200 characters, its sign among them; a longer one is taken away."""
    for value in ("4612", "-4612", "8" * 200, "-" + "8" * 199):
        made = mask(column("c", "json"), document(a=NUMBER), json.dumps(f'{{"a": {value}}}'))
        one = mask(column("c", "bigint"), NUMBER, f'"{value}"').strip('"')
        assert json.loads(made) == f'{{"a": {one}}}'


@pytest.mark.parametrize(
    ("type_", "value", "made"),
    [
        ("jsonb", "null", "null"),
        ("json", "null", "null"),
        ("jsonb", '"null"', '"null"'),
        ("json", '"null"', '"null"'),
        ("jsonb", '"{\\"a\\": 12345678901234567890}"', '{"a": 0}'),
        ("jsonb", '"{\\"b\\": 12345678901234567890}"', '"{\\"b\\": 12345678901234567890}"'),
        ("jsonb", '{"b": 1.5}', '{"b": 1.5}'),
        ("json", '"{\\"b\\": 1.5}"', '"{\\"b\\": 1.5}"'),
    ],
)
def test_documents_are_written_as_an_archive_has_them(type_: str, value: str, made: str) -> None:
    """json as a text; so a text of jsonb, its null, and numbers that no double holds."""
    assert mask(column("c", type_), document(a=REDACT, otherwise=KEEP), value) == made


def test_a_text_of_jsonb_stays_one() -> None:
    """The export writes it in a string of its own."""
    made = mask(column("c", "jsonb"), document(a=KEEP, otherwise=PERSON), '"\\"Ada\\""')
    assert json.loads(made) == mask(column("c"), PERSON, '"Ada"')


def test_parts_of_names() -> None:
    """The words of people's names, of five letters and more; of nothing else."""
    made = masker()
    assert made.name_parts() == set()
    for kind, value in (
        ("person", "Ada Ashgrove"), ("person", "Maria Lang x12345"), ("number", "Emily"),
    ):  # fmt: skip
        made.pseudonym(kind, value)
    assert made.name_parts() == {"ashgrove", "maria"}
