"""Any value of any PostgreSQL type, as the text that PostgreSQL reads."""

import json
import string
from collections.abc import Iterable
from decimal import Decimal
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

Texts = SearchStrategy[str]

TYPES = """
CREATE TYPE kind AS ENUM ('one', 'Two words', 'quo"te', 'ünï', 'null', '{}');
CREATE DOMAIN currency AS numeric;
CREATE DOMAIN fee AS currency CHECK (value <> 0.123456);
CREATE DOMAIN big AS bigint;
CREATE DOMAIN tags AS text[];
CREATE DOMAIN payload AS jsonb;
CREATE TYPE spot AS (place text, price numeric, extra jsonb, at timestamptz);
CREATE DOMAIN known_spot AS spot;
CREATE TYPE price_range AS RANGE (subtype = numeric);
"""

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30)
_integers = st.integers(-(2**31), 2**31 - 1).map(str)
_bigints = st.one_of(
    st.integers(-(2**63), 2**63 - 1), st.sampled_from([2**53, 2**53 + 1, -(2**53), -(2**53) - 1])
).map(str)
_decimals = st.one_of(
    st.decimals(allow_nan=False, allow_infinity=False, places=7).map("{:f}".format),
    st.integers(-(10**38), 10**38).map(lambda n: f"{n // 10**9}.{abs(n) % 10**9:09}"),
    st.sampled_from(["NaN", "Infinity", "-Infinity", "0", "1.10", "-0.000", "1e400", "1e-400"]),
)
_floats = st.floats().map(repr)
_booleans = st.sampled_from(["true", "false"])
_money = st.integers(-(2**63), 2**63 - 1).map(lambda n: f"{Decimal(n).scaleb(-2):f}")
_bytes = st.binary(max_size=20).map(lambda b: "\\x" + b.hex())
_uuids = st.integers(0, 2**128 - 1).map(lambda n: str(UUID(int=n)))
_kinds = st.sampled_from(["one", "Two words", 'quo"te', "ünï", "null", "{}"])

_dates = st.one_of(
    st.dates().map(str),
    st.sampled_from(["infinity", "-infinity", "0001-01-01", "0044-03-15 BC", "12345-06-07"]),
)
_times = st.times().map(str)
_zones = st.integers(-15 * 60, 15 * 60).map(
    lambda m: f"{'-' if m < 0 else '+'}{abs(m) // 60:02}:{abs(m) % 60:02}"
)
_timestamps = st.one_of(
    st.datetimes().map(str),
    st.sampled_from(
        ["infinity", "-infinity", "0044-03-15 00:00:00 BC", "294276-12-31 23:59:59.999999"]
    ),
)
_moments = st.one_of(
    st.tuples(st.datetimes(), _zones).map(lambda p: f"{p[0]}{p[1]}"),
    st.sampled_from(["infinity", "-infinity", "0044-03-15 00:00:00.5+00 BC"]),
)
_intervals = st.tuples(
    st.integers(-9999, 9999), st.integers(-9999, 9999), st.integers(-(10**12), 10**12)
).map(lambda p: f"{p[0]} months {p[1]} days {p[2]} microseconds")

json_values: SearchStrategy[object] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(2**53 - 2, 2**53 + 2),
        st.floats(allow_nan=False, allow_infinity=False),
        text,
    ),
    lambda children: st.one_of(
        st.lists(children, max_size=4), st.dictionaries(text, children, max_size=4)
    ),
    max_leaves=12,
)
_big_numbers = st.sampled_from(
    [
        "12345678901234567890", "[1, -12345678901234567890.123]", '{"a": 0.1000000000000000055}',
        '{"a b": "id 12345678901234567", "c": [0.30000000000000004]}', "1.10", "1e400", "-1e-400",
        '{"n": 9007199254740993}', '{"n": "9007199254740993"}', "9007199254740993", "null",
        '"null"', '"\\"null\\""', '""', '"a\\\\b\\n\\u2028"', "true", "[]", "{}", "[[[]]]", "-0",
        '{"$set": {"a.b": 1}}', '{"": ""}', "0.12345678901234567", "[12345678901234.567890]",
    ]
)  # fmt: skip
jsonb = st.one_of(json_values.map(json.dumps), _big_numbers)
_json = st.one_of(
    st.builds(
        lambda v, indent: json.dumps(v, indent=indent, ensure_ascii=False),
        json_values,
        st.sampled_from([None, 1, "\t"]),
    ),
    st.sampled_from([' {"a": 1, "a" :2 }\n', "null", '"null"', "1.10", "1e400", " [1 ,2]"]),
)


def _quoted(value: str | None) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _array_text(elements: Iterable[str | None]) -> str:
    return "{" + ",".join(_quoted(e) for e in elements) + "}"


def arrays(elements: Texts) -> Texts:
    """Arrays of these: empty, with nulls, of two dimensions, with bounds other than 1."""
    nullable = st.one_of(elements, st.none())
    flat = st.lists(nullable, max_size=4)
    bounded = st.builds(
        lambda first, items: f"[{first}:{first + len(items) - 1}]={_array_text(items)}",
        st.integers(-3, 3),
        st.lists(nullable, min_size=1, max_size=3),
    )
    nested = st.tuples(st.integers(1, 3), st.integers(1, 3)).flatmap(
        lambda shape: st.lists(
            st.lists(nullable, min_size=shape[0], max_size=shape[0]).map(_array_text),
            min_size=shape[1],
            max_size=shape[1],
        ).map(lambda rows: "{" + ",".join(rows) + "}")
    )
    return st.one_of(flat.map(_array_text), bounded, nested)


def _records(*fields: Texts) -> Texts:
    parts = [st.one_of(st.none(), field) for field in fields]
    return st.tuples(*parts).map(
        lambda values: "(" + ",".join("" if v is None else _quoted(v) for v in values) + ")"
    )


def _ranges(low: Texts, high: Texts) -> Texts:
    ends = st.tuples(st.sampled_from("[("), low, high, st.sampled_from("])"))
    return st.one_of(st.just("empty"), ends.map(lambda p: f"{p[0]}{p[1]},{p[2]}{p[3]}"))


_low = st.one_of(st.just(""), st.integers(-999, 0).map(str))
_high = st.one_of(st.just(""), st.integers(1, 999).map(str))
_number_ranges = _ranges(_low, _high)
_spots = _records(text, _decimals, jsonb, _moments)
_words = st.text(string.ascii_letters + "ü", min_size=1, max_size=8)
_bits = st.text("01", max_size=12)
_points = st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).map(lambda p: f"({p[0]},{p[1]})")

COLUMNS: dict[str, tuple[str, Texts]] = {
    "boolean": ("boolean", _booleans),
    "smallint": ("smallint", st.integers(-(2**15), 2**15 - 1).map(str)),
    "integer": ("integer", _integers),
    "bigint": ("bigint", _bigints),
    "real": ("real", st.floats(width=32).map(repr)),
    "double": ("double precision", _floats),
    "numeric": ("numeric", _decimals),
    "price": ("numeric(12,4)", st.decimals(-(10**7), 10**7, places=4).map(str)),
    "money": ("money", _money),
    "text": ("text", text),
    "varchar": ("varchar(30)", text),
    "char": ("char(8)", text.map(lambda t: t[:8])),
    "one char": ('"char"', st.characters(codec="ascii", exclude_characters="\0")),
    "name": ("name", text.map(lambda t: t[:10])),
    "uuid": ("uuid", _uuids),
    "enum": ("a.kind", _kinds),
    "date": ("date", _dates),
    "timestamp": ("timestamp", _timestamps),
    "timestamptz": ("timestamptz", _moments),
    "timestamp0": ("timestamptz(0)", _moments),
    "time": ("time", _times),
    "timetz": ("timetz", st.tuples(_times, _zones).map("".join)),
    "interval": ("interval", _intervals),
    "bytea": ("bytea", _bytes),
    "inet": ("inet", st.one_of(st.ip_addresses().map(str), st.just("10.1.2.3/8"))),
    "cidr": ("cidr", st.ip_addresses().map(str)),
    "macaddr": ("macaddr", st.integers(0, 2**48 - 1).map("{:012x}".format)),
    "macaddr8": ("macaddr8", st.integers(0, 2**64 - 1).map("{:016x}".format)),
    "bit": ("bit(5)", st.text("01", min_size=5, max_size=5)),
    "varbit": ("varbit", _bits),
    "oid": ("oid", st.integers(0, 2**32 - 1).map(str)),
    "xid8": ("xid8", st.integers(0, 2**64 - 1).map(str)),
    "pg_lsn": ("pg_lsn", st.just("16/B374D848")),
    "int2vector": ("int2vector", st.just("1 2 3")),
    "json": ("json", _json),
    "jsonb": ("jsonb", jsonb),
    "jsonpath": ("jsonpath", st.just('$."a b"[*]?(@ > 1)')),
    "tsvector": ("tsvector", st.lists(_words, max_size=4).map(" ".join)),
    "tsquery": ("tsquery", st.lists(_words, min_size=1, max_size=3).map(" & ".join)),
    "point": ("point", _points),
    "box": ("box", st.tuples(_points, _points).map(",".join)),
    "int4range": ("int4range", _number_ranges),
    "numrange": ("numrange", _number_ranges),
    "price_range": ("a.price_range", _number_ranges),
    "tstzrange": ("tstzrange", st.just('["2026-01-01 00:00:00+01",infinity)')),
    "multirange": ("nummultirange", st.lists(_number_ranges, max_size=3).map(
        lambda ranges: "{" + ",".join(ranges) + "}")),
    "composite": ("a.spot", _spots),
    "currency": ("a.currency", _decimals),
    "domain twice": ("a.fee", _decimals),
    "big domain": ("a.big", _bigints),
    "array domain": ("a.tags", arrays(text)),
    "jsonb domain": ("a.payload", jsonb),
    "composite domain": ("a.known_spot", _spots),
    "boolean[]": ("boolean[]", arrays(_booleans)),
    "integer[]": ("integer[]", arrays(_integers)),
    "bigint[]": ("bigint[]", arrays(_bigints)),
    "numeric[]": ("numeric[]", arrays(_decimals)),
    "money[]": ("money[]", arrays(_money)),
    "double[]": ("double precision[]", arrays(_floats)),
    "text[]": ("text[]", arrays(text)),
    "char[]": ("char(3)[]", arrays(text.map(lambda t: t[:3]))),
    "uuid[]": ("uuid[]", arrays(_uuids)),
    "enum[]": ("a.kind[]", arrays(_kinds)),
    "date[]": ("date[]", arrays(_dates)),
    "timestamptz[]": ("timestamptz[]", arrays(_moments)),
    "interval[]": ("interval[]", arrays(_intervals)),
    "bytea[]": ("bytea[]", arrays(_bytes)),
    "json[]": ("json[]", arrays(_json)),
    "jsonb[]": ("jsonb[]", arrays(jsonb)),
    "range[]": ("int4range[]", arrays(_number_ranges)),
    "composite[]": ("a.spot[]", arrays(_spots)),
    "domain[]": ("a.currency[]", arrays(_decimals)),
    "Mixed \"quotes\" 'and' ünï\\code\n%s": ("text", text),
}  # fmt: skip
"""Column name to its type and any value of it."""

OPTIONAL_COLUMNS: dict[str, tuple[str, Texts]] = {
    "xml": ("xml", text.map(lambda t: f"<a>{''.join(c for c in t if c.isalnum())}</a>")),
    "hstore": ("public.hstore", st.just('"a key"=>"a \\"value\\"", "b"=>NULL')),
}
"""Of types that a server may be built without."""


def rows(columns: dict[str, tuple[str, Texts]]) -> SearchStrategy[list[dict[str, str | None]]]:
    """Rows of such a table, mostly null, and one of many values; what a row omits is null."""
    cells = st.one_of([st.tuples(st.just(name), values) for name, (_, values) in columns.items()])
    sparse = st.lists(cells, max_size=3).map(dict)
    dense = st.fixed_dictionaries(
        {name: st.one_of(st.none(), values) for name, (_, values) in columns.items()}
    )
    return st.builds(lambda some, one: [*some, one], st.lists(sparse, max_size=12), dense)
