"""Values that have broken exporters before, for ordinary rows of ordinary tables."""

from datetime import UTC, date, datetime, timedelta, timezone

TEXTS: tuple[str, ...] = (
    "",
    " ",
    "null",
    "NULL",
    "\\N",
    "\\.",
    'O\'Neill & "Söhne" <b>CTV</b>',
    "C:\\media\\new\\table",
    "two\nlines\r\nand\ta tab",
    "line\u2028separator\u2029paragraph",
    "🚀 Launch 👩‍👩‍👧‍👦 🏳️‍🌈",
    "مرحبا بالعالم — שלום עולם",
    "\u202eright-to-left override\u202c",
    "e\u0301 is not é",
    "日本語キャンペーン 𠮷野家",
    "control \x01\x02\x08\x0b\x0c\x1b\x7f end",
    "\ufeffbyte order mark",
    '{"looks": "like json"}',
    "{looks,like,an,array}",
    "1e5",
    "0012",
    "$set",
    "a.b.c",
    "=1+1",
    "; DROP TABLE campaigns; --",
    "%s %(name)s {0}",
    "ﬁ ﬂ ẞ İ ı",
    "x" * 5_000,
)

NUMERICS: tuple[str, ...] = (
    "99999999999999999999999999999999999999",
    "-12345678901234567890123456789012345.678",
    "0.00000000000000000000000000000000000001",
    "1234567890123456789012345678901234",
    "NaN",
    "Infinity",
    "-Infinity",
    "0",
    "0.00",
    "0.000000",
    "-0.01",
    "1.50",
    "1.500000",
    "0.1",
    "9007199254740993",
    "9007199254740993.01",
    "1000000000000000000000000000000",
)

MONEY: tuple[str, ...] = (
    "92233720368547758.07",
    "-92233720368547758.08",
    "0.00",
    "-0.01",
    "90071992547409.93",
)

BIGINTS: tuple[int, ...] = (
    2**63 - 1,
    -(2**63),
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**53 - 1,
    2**31,
    0,
    -1,
)

DOUBLES: tuple[str, ...] = (
    "NaN",
    "Infinity",
    "-Infinity",
    "-0",
    "0",
    "5e-324",
    "1.7976931348623157e+308",
    "0.1",
    "0.30000000000000004",
    "1e22",
    "123456789012345680",
)

REALS: tuple[str, ...] = ("NaN", "Infinity", "-Infinity", "-0", "0.1", "3.4028235e+38", "1e-45")

MOMENTS: tuple[datetime, ...] = (
    datetime(1, 1, 1, tzinfo=UTC),
    datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(1970, 1, 1, tzinfo=UTC),
    datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=timezone(timedelta(hours=14))),
    datetime(2024, 3, 10, 2, 30, 0, 500, tzinfo=timezone(timedelta(hours=-8))),
    datetime(2024, 12, 31, 23, 30, 0, 123_456, tzinfo=timezone(timedelta(hours=-11))),
    datetime(2025, 1, 1, 0, 15, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1883, 11, 18, 12, 3, 58, tzinfo=UTC),
)

INFINITE_MOMENTS: tuple[str, ...] = ("infinity", "-infinity")

DATES: tuple[date, ...] = (
    date(1, 1, 1),
    date(9999, 12, 31),
    date(1969, 12, 31),
    date(1970, 1, 1),
    date(1582, 10, 10),
    date(1900, 2, 28),
    date(2024, 2, 29),
    date(2024, 3, 31),
    date(2024, 11, 3),
)

_DEEP = "[" * 40 + '{"bottom": 1}' + "]" * 40

JSONB: tuple[str, ...] = (
    "{}",
    "[]",
    "null",
    "true",
    '""',
    '"a document that is a string"',
    "9007199254740993",
    "12345678901234567890.123456789",
    '{"big": 9007199254740993, "bigger": 18446744073709551616}',
    '{"exact": 0.1000000000000000055511151231257827, "pi": 3.14159265358979323846264338327950288}',
    '{"tiny": 1e-30, "huge": 1e30, "zero": 0, "cents": 1.50, "minus": -0.0}',
    '{"$set": {"a.b": 1}, "$ref": "x", "$date": "2024-01-01", "$oid": "z"}',
    '{"": "empty key", ".": 1, "$": 2, "a.": 3, ".a": 4, "a.b.c": {"$d.e": null}}',
    '{"a": {}, "b": [], "c": [null], "d": [[], [[]]], "e": null, "f": ""}',
    f'{{"deep": {_DEEP}}}',
    '{"text": "quote \\" backslash \\\\ newline \\n tab \\t \\u2028 🚀 שלום"}',
    '{"ключ": 1, "鍵": 2, "مفتاح": 3, "key with space": 4, "CamelCase": 5, "snake_case": 6}',
    '{"mixed": [1, "1", 1.0, true, null, {"n": 12345678901234567890}]}',
    '{"id": 1, "_id": 2, "__proto__": 3, "constructor": 4}',
)

JSON: tuple[str, ...] = (
    '{"a": 1, "a": 2}',
    '{ "spaced" :  [ 1 ,2,   3 ] }',
    "null",
    '"text"',
    "1.0",
    "1e2",
    "12345678901234567890.00",
    "[]",
    '{"lines":\n\t"two"}',
)

TEXT_ARRAYS: tuple[list[str | None] | None, ...] = (
    None,
    [],
    [None],
    [""],
    ["NULL", None, "null"],
    ["a,b", 'c"d', "e\\f", "{g}", "h i", "new\nline", "🚀"],
    ["CN-46", "CN-46"],
    ["CN-0", "cn-46", " CN-47"],
)

BYTES: tuple[bytes, ...] = (b"", b"\x00", bytes(range(256)), b"\\x41", b"\xff\xfe")
