"""The hashes of the compiled codec are those of the xxhash package, for every length."""

import random
from collections.abc import Sequence

import bson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.archive.reader import documents_fingerprint, rows_fingerprint
from mediatool_assets.core.manifest import Fingerprint
from mediatool_assets.core.schema import Table
from mediatool_assets.core.shapes import ColumnField, DocumentCollection, DocumentShape
from mediatool_assets.native import library
from mediatool_assets_tests.native.codecs import by_python, compiled
from mediatool_assets_tests.native.rows_of_types import collection
from mediatool_assets_tests.raw_archives import column

pytestmark = pytest.mark.usefixtures("compiled_codec")

LENGTHS = [*range(1, 1100), 2047, 2048, 2049, 65_536, 1_000_003]
"""XXH3 has ways of its own up to 16, 128 and 240 bytes, then one for each 1,024."""


def _rows() -> list[bytes]:
    draw = random.Random(20250621)
    return [draw.randbytes(length).replace(b"\n", b" ") for length in (0, *LENGTHS)]


def test_rows_of_every_length() -> None:
    """One by one and together."""
    rows = _rows()
    for row in rows:
        assert rows_fingerprint(row + b"\n") == Fingerprint.of([row])
    assert rows_fingerprint(b"".join(row + b"\n" for row in rows)) == Fingerprint.of(rows)


def test_documents_of_every_length() -> None:
    """As an archive has them, one after the other."""
    documents = [bson.encode({"a": row}) for row in _rows()]
    assert documents_fingerprint(b"".join(documents)) == Fingerprint.of(documents)


@given(content=st.binary(max_size=40))
def test_bytes_that_are_no_documents(content: bytes) -> None:
    """A length that does not fit is told as Python tells it."""
    lengths = [int.from_bytes(content[:4], "little"), len(content)]
    if len(content) == 0 or (lengths[0] == lengths[1] and lengths[0] >= 5):
        assert documents_fingerprint(content).count <= 1
    elif not 5 <= lengths[0] <= lengths[1]:
        with pytest.raises(ValueError, match="impossible length"):
            documents_fingerprint(content)


def test_an_empty_block_and_one_without_its_last_newline() -> None:
    """Nothing has no rows; what is cut is read as ``split_lines`` reads it."""
    assert rows_fingerprint(b"") == documents_fingerprint(b"") == Fingerprint()
    assert rows_fingerprint(b"a\nbc") == Fingerprint.of([b"a", b"b"])


KEYS: Sequence[tuple[str, bytes]] = [
    ("text", b'"%b"'),
    ("uuid", b'"746bbf97-130e-4c40-a688-aa6c58be%04d"'),
    ("bigint", b"%d"),
    ("numeric", b'"%d.50"'),
    ("date", b'"2024-01-%02d"'),
    ("jsonb", b'{"a":%d}'),
    ("bytea", b'"\\\\x%04d"'),
    ("boolean", b"true"),
]


@pytest.mark.parametrize(("type_", "form"), KEYS, ids=[type_ for type_, _ in KEYS])
def test_identities_of_keys_of_every_type(type_: str, form: bytes) -> None:
    """Texts of many lengths, numbers, and Decimal128, of which Python makes one form."""
    codec = library()
    assert codec is not None
    table = Table("keyed", (column("id", type_),))
    values = [
        form % (b"x" * number if b"%b" in form else number) if b"%" in form else form
        for number in range(1, 29)
    ]
    lines = [b'{"id":%b}' % value for value in values]
    made = collection(table, {})
    assert compiled(codec, made, lines) == by_python(made, lines)


def test_identities_of_keys_of_several_columns() -> None:
    """Where a byte looks like the type of Decimal128, and where there is one."""
    codec = library()
    assert codec is not None
    table = Table("keyed", (column("a", "uuid"), column("b", "numeric"), column("c", "text")))
    fields = tuple(ColumnField(part, f"_id.{part.name}") for part in table.columns)
    form = b'{"a":"13131313-0000-4000-8000-1313131313%02x","b":%b,"c":"\\u0013"}'
    lines = [
        form % (number, b"null" if number % 3 else b'"1.%d0"' % number) for number in range(60)
    ]
    for shape in (fields, fields[::2], fields[:1]):
        made = DocumentCollection("made", DocumentShape(table, ("a", "b", "c"), shape))
        assert compiled(codec, made, lines) == by_python(made, lines)
