"""Targets: what a version is copied to, and what it is complete with."""

import msgspec
import pytest

from mediatool_assets.core.errors import BadSettings
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.setting_values import Targets
from mediatool_assets.core.settings import Settings
from mediatool_assets_tests.metadata_examples import example

EVERY = [Targets(mongodb, postgres) for mongodb in (True, False) for postgres in (True, False)]


@pytest.mark.parametrize("targets", EVERY, ids=str)
def test_text_and_value_are_inverse(targets: Targets) -> None:
    """Each combination is written as it is read."""
    assert Targets.parse(str(targets)) == targets


@pytest.mark.parametrize(
    "text", ["", " , ", "mysql", "mongodb, none", "mongodb, mongodb", "none, none"]
)
def test_anything_else_is_refused(text: str) -> None:
    """Nothing, an unknown name, a name twice, and `none` beside a name."""
    with pytest.raises(ValueError, match="must be `mongodb`, `postgres`"):
        Targets.parse(text)


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, "mongodb"),
        ({"MEDIATOOL_RESTORE_POSTGRES_URL": "postgresql://h/d"}, "mongodb, postgres"),
        ({"MEDIATOOL_TARGETS": "postgres"}, "postgres"),
        ({"MEDIATOOL_TARGETS": "None", "MEDIATOOL_MONGODB_URL": "mongodb://h"}, "none"),
        (
            {"MEDIATOOL_TARGETS": "mongodb", "MEDIATOOL_RESTORE_POSTGRES_URL": "postgresql://h/d"},
            "mongodb",
        ),
    ],
)
def test_a_setting_decides(environ: dict[str, str], expected: str) -> None:
    """Unset it is MongoDB, and PostgreSQL if there is a server to restore to."""
    assert str(Settings.parse(environ).targets) == expected


def test_a_wrong_setting_is_named() -> None:
    """Like every other."""
    with pytest.raises(BadSettings, match="MEDIATOOL_TARGETS must be `mongodb`"):
        Settings.parse({"MEDIATOOL_TARGETS": "s3"})


def test_what_a_version_is_complete_with() -> None:
    """Its archives, and the settings without which it cannot be made."""
    assert Targets(mongodb=True, postgres=True).archives == ("raw", "transformed", "dump")
    assert Targets(mongodb=False, postgres=True).archives == ("raw", "transformed")
    wanted = {str(targets): targets.settings for targets in EVERY}
    assert wanted == {
        "mongodb, postgres": ("mongodb_url", "restore_postgres_url"),
        "mongodb": ("mongodb_url",),
        "postgres": ("restore_postgres_url",),
        "none": (),
    }


def _without(*, dump: bool, mongodb: bool) -> bytes:
    """A metadata file that leaves one of these out, or both."""
    whole = msgspec.json.decode(example().to_json())
    if dump:
        del whole["exports"]["dump"]
    if mongodb:
        whole["databases_created"]["mongodb"] = None
    return msgspec.json.encode(whole)


def test_metadata_without_mongodb_is_read_and_written() -> None:
    """It names neither database nor dump, and says so of itself."""
    found = Metadata.from_json(_without(dump=True, mongodb=True))
    assert found.targets == Targets(mongodb=False, postgres=True)
    assert [*found.exports.by_archive] == ["raw", "transformed"]
    assert found.exports.size_bytes == sum(e.size_bytes for e in found.exports.by_archive.values())
    again = msgspec.json.decode(found.to_json())
    assert "dump" not in again["exports"]
    assert Metadata.from_json(found.to_json()) == found


@pytest.mark.parametrize("missing", ["dump", "mongodb"])
def test_metadata_with_half_of_mongodb_is_damaged(missing: str) -> None:
    """A database without its dump, or a dump without its database, is no version that was made."""
    data = _without(dump=missing == "dump", mongodb=missing == "mongodb")
    with pytest.raises(msgspec.ValidationError, match="without its"):
        Metadata.from_json(data)
