"""The codec suspects the rows that Python does of documents that a reader of doubles misreads."""

import re
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mediatool_assets.stores import postgres_source
from mediatool_assets.stores.postgres_source import JsonbColumns

pytestmark = pytest.mark.usefixtures("compiled_codec")

NAMES = ["d", 'a "name"\n']
NUMBERS = ["1" * 15, "1" * 16, "12345678901234567", "0.30000000000000004"]
OTHERS = ['"d":"', '"d":', '"a \\"name\\"\\n":"', *' :[-.x",\\', ", ", "é"]
PIECES = st.lists(st.sampled_from([*NUMBERS, *OTHERS]), max_size=12)
ROWS = st.lists(PIECES.map(lambda found: "".join(found).encode()))


@given(rows=ROWS)
def test_no_row_that_python_suspects_is_missed(rows: list[bytes]) -> None:
    """Whatever the text: long numbers and short ones, and text that looks like a column.

    The codec may suspect other rows with a long number; each is decided by its columns.
    """
    columns = JsonbColumns(NAMES)
    found = columns._suspects(rows)
    with patch.object(postgres_source, "library", lambda: None):
        wanted = columns._suspects(rows)
    assert [at for at in found if at in wanted] == wanted
    assert all(re.search(rb"[0-9.]{16}", rows[at]) for at in {*found} - {*wanted})


def test_a_number_is_found_wherever_it_is() -> None:
    """Sixteen digits are looked for at every sixteenth place: none falls between two."""
    numbers = ["1234567890123457", "123456789012345678901", "0." + "1" * 30]
    rows = [b'{"d":' + b" " * at + number.encode() + b"}" for number in numbers for at in range(40)]
    with patch.object(postgres_source, "library", lambda: None):
        wanted = JsonbColumns(["d"])._suspects(rows)
    assert len(wanted) >= 80
    assert JsonbColumns(["d"])._suspects(rows) == wanted
