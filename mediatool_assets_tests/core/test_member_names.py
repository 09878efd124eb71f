"""The names of collections as files: mongodump's own."""

import pytest

from mediatool_assets.core.version import bson_member, metadata_member


@pytest.mark.parametrize(
    ("collection", "file"),
    [
        ("lineItems", "lineItems"),
        ("a.b-c_d~e", "a.b-c_d~e"),
        ("a b/c%d", "a%20b%2Fc%25d"),
        ("$&+=:@", "$&+=:@"),
        (";,?#", "%3B%2C%3F%23"),
        ("é", "%C3%A9"),
    ],
)
def test_names_are_escaped_as_a_path(collection: str, file: str) -> None:
    """Go's url.PathEscape, which mongorestore undoes with url.PathUnescape."""
    assert bson_member("db", collection) == f"db/{file}.bson"
    assert metadata_member(bson_member("db", collection)) == f"db/{file}.metadata.json"


def test_a_long_name_is_cut_to_238_characters() -> None:
    """208 characters, %24 and the SHA-1: mongorestore then takes the name from the metadata."""
    one, other = (bson_member("db", "é" * 60 + end) for end in "ab")
    assert len(one.removeprefix("db/").removesuffix(".bson")) == 238
    assert one[: 208 + 3] == other[: 208 + 3]
    assert one != other


def test_the_longest_plain_name_is_kept() -> None:
    """238 characters still fit a file name of 255 bytes with its longest extension."""
    assert bson_member("db", "x" * 238) == f"db/{'x' * 238}.bson"
