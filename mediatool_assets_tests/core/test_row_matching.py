"""How rows are found again: by the best key that both versions have."""

import pytest

from mediatool_assets.core.comparison import matching
from mediatool_assets.core.schema import Table
from mediatool_assets_tests.raw_archives import table

KEYED = table("t", ("a", "b"), a="integer", b="integer", c="text")
KEYLESS = table("t", (), a="integer", b="integer", c="text")


@pytest.mark.parametrize(
    ("one", "two", "natural", "by", "key"),
    [
        (KEYED, KEYED, (), "primary key", ("a", "b")),
        (KEYED, KEYED, ("c",), "primary key", ("a", "b")),
        (KEYLESS, KEYLESS, ("c",), "natural key", ("c",)),
        (KEYLESS, KEYLESS, ("gone",), "whole row", ()),
        (KEYLESS, KEYLESS, (), "whole row", ()),
        (KEYED, KEYLESS, (), "natural key", ("a", "b")),
        (KEYLESS, KEYED, (), "natural key", ("a", "b")),
        (KEYED, table("t", (), c="text"), (), "whole row", ()),
    ],
)
def test_rows_are_matched_by(
    one: Table, two: Table, natural: tuple[str, ...], by: str, key: tuple[str, ...]
) -> None:
    """Primary key, else natural key, else the primary key of one side, else whole rows."""
    found = matching(one, two, natural)
    assert (found.by, found.key) == (by, key)


def test_lines_are_compared_whole_only_where_columns_agree() -> None:
    """Another order, another column or another type, and values are compared one by one."""
    assert matching(KEYED, KEYED).whole_lines
    order = table("t", ("a", "b"), b="integer", a="integer", c="text")
    more = table("t", ("a", "b"), a="integer", b="integer", c="text", d="text")
    typed = table("t", ("a", "b"), a="integer", b="integer", c="integer")
    for other in (order, more, typed):
        found = matching(KEYED, other)
        assert not found.whole_lines
        assert found.columns == ("a", "b", "c")
    assert matching(KEYED, typed).retyped == {"c"}
