"""Values of every type are masked as the archive writes them."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.domain.masking.columns import column_mask
from mediatool_assets.domain.masking.json_paths import Unclassified, steps
from mediatool_assets.domain.masking.key import MaskingKey
from mediatool_assets.domain.masking.masker import Masker
from mediatool_assets.domain.masking.pseudonyms import PseudonymKind
from mediatool_assets.domain.masking.rules import REDACT, MaskingRule, MaskingVerb
from mediatool_assets.domain.schema import Column
from mediatool_assets.seed.awkward import JSON, JSONB
from mediatool_assets_tests.raw_archives import column

KINDS = (
    PseudonymKind("person", "person"),
    PseudonymKind("number", "number", "CN-"),
    PseudonymKind("id", "uuid"),
)
KEEP = MaskingRule(MaskingVerb.KEEP)
PERSON = MaskingRule(MaskingVerb.PSEUDONYM, "person")
NUMBER = MaskingRule(MaskingVerb.PSEUDONYM, "number")


def masker() -> Masker:
    """A masker that has done nothing yet."""
    return Masker(MaskingKey(bytes(i * 37 % 256 for i in range(32))), KINDS)


def mask(of: Column, rule: MaskingRule, value: str) -> str:
    """The masked JSON of a value's JSON."""
    made = column_mask(masker(), rule, "t.c", of)
    return value if made is None else made(value.encode()).decode()


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
    noise = MaskingRule(MaskingVerb.NOISE, "20")
    rule = document(
        owner__name=PERSON, codes__each=NUMBER, spend__each__amount=noise, note=REDACT, kept=KEEP
    )
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
    [MaskingRule(MaskingVerb.NOISE, "20"), MaskingRule(MaskingVerb.GENERALIZE, "10"), NUMBER],
)
@pytest.mark.parametrize("value", ["1e30000000", "-1e400000", "9" * 131_073])
def test_numbers_that_nothing_counts_with_are_taken_away(value: str, rule: MaskingRule) -> None:
    """json holds them, and they are no mistake of the archive."""
    made = mask(column("c", "json"), document(a=rule), json.dumps(f'{{"a": {value}}}'))
    assert json.loads(made) == '{"a": 0}'


def test_a_text_that_is_no_date_is_redacted() -> None:
    """A step of time is none of a name."""
    rule = document(a=MaskingRule(MaskingVerb.GENERALIZE, "year"))
    assert "Ada" not in mask(column("c", "jsonb"), rule, '{"a": "Ada"}')
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
        of = msgspec.structs.replace(column("c", type_.partition("(")[0]), type=type_)
        made[type_] = mask(of, NUMBER, f'"{value}"').strip('"')
    one = made["character varying(9)"]
    assert made["character(5)"] == one.ljust(5)
    assert made["character(9)"] == one.ljust(9)
