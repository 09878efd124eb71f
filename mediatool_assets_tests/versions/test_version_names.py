"""The ways to name a version."""

from pathlib import Path

import pytest

from mediatool_assets.core.errors import Misuse, NotFound
from mediatool_assets.versions.catalog import named_version, named_versions
from mediatool_assets_tests.complete_versions import USERS, complete, users
from mediatool_assets_tests.twins import DirectoryObjects

A, B, C = "20251101-020000", "20251101-120000", "20251103-020000"


@pytest.fixture
def objects(tmp_path: Path) -> DirectoryObjects:
    """Three versions, two of them of one day."""
    twin = DirectoryObjects(tmp_path)
    for version in (A, B, C):
        complete(twin, version, {USERS: users("x")})
    return twin


@pytest.mark.parametrize(
    ("name", "version"),
    [
        (A, A), ("latest", C), ("latest~0", C), ("latest~1", B), ("latest~2", A),
        ("2025-11-01", B), ("2025-11-03", C), ("20200101-000000", "20200101-000000"),
    ],
)  # fmt: skip
def test_a_name_is_one_version(objects: DirectoryObjects, name: str, version: str) -> None:
    """A day is its newest complete version; one that is written out need not be there."""
    assert str(named_version(objects, name)) == version


@pytest.mark.parametrize(
    ("name", "versions"),
    [
        ("2025-11-01..2025-11-01", [A, B]),
        ("2025-11-01..2025-11-03", [A, B, C]),
        (f"{A}..latest~1", [A, B]),
        (f"{B}..2025-12-31", [B, C]),
        ("latest", [C]),
        ("0001-01-01..9999-12-31", [A, B, C]),
    ],
)
def test_a_range_is_the_complete_versions_in_it(
    objects: DirectoryObjects, name: str, versions: list[str]
) -> None:
    """Both ends are included; a day begins with its first version and ends with its last."""
    assert [str(version) for version in named_versions(objects, name)] == versions


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("latest~3", NotFound, "the oldest complete version is latest~2"),
        ("2025-11-02", NotFound, "no complete version of 2025-11-02"),
        ("2025-11-02..2025-11-02", NotFound, "no complete version in"),
        ("2025-13-01", Misuse, "is not a date"),
        ("newest", Misuse, "latest~N"),
        ("..latest", Misuse, "write FIRST..LAST"),
        ("2025-11-03..2025-11-01", NotFound, "no complete version in"),
    ],
)
def test_what_names_no_version_is_refused(
    objects: DirectoryObjects, name: str, error: type[Exception], message: str
) -> None:
    """The message says what to write, or what there is."""
    with pytest.raises(error, match=message):
        named_versions(objects, name)
