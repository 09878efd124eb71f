"""Objects in a cold tier, as moto speaks of them: asked for once, and read when they are there."""

import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mediatool_assets.core.errors import InColdStorage
from mediatool_assets.core.settings import Settings
from mediatool_assets.stores.s3 import HOURS, RetrievalOptions, S3Objects
from mediatool_assets_tests.moto_server import QUIET, moto_bucket, slow_cold_storage

pytestmark = QUIET


@pytest.fixture(scope="module")
def bucket() -> Iterator[S3Objects]:
    """A bucket of moto's."""
    with moto_bucket() as objects:
        yield objects


@pytest.fixture
def moto(bucket: S3Objects) -> Iterator[S3Objects]:
    """It, where a copy takes two looks to be there."""
    with slow_cold_storage():
        yield bucket


def _cold(moto: S3Objects, key: str, tier: Any) -> None:
    moto.client.put_object(Bucket=moto.bucket, Key=key, Body=b"content", StorageClass=tier)


def _asked(moto: S3Objects) -> list[dict[str, Any]]:
    """The requests for copies from now on."""
    asked: list[dict[str, Any]] = []

    def keep(params: dict[str, Any], **_: object) -> None:
        asked.append(params)

    moto.client.meta.events.register("provide-client-params.s3.RestoreObject", keep)
    return asked


def _error(moto: S3Objects, key: str) -> InColdStorage:
    with pytest.raises(InColdStorage) as caught:
        moto.open(key)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(moto.uri(key))
    return caught.value


@pytest.mark.parametrize(
    ("tier", "speed", "taken", "hours"),
    [
        ("GLACIER", "Standard", "Standard", 5),
        ("GLACIER", "Bulk", "Bulk", 12),
        ("GLACIER", "Expedited", "Expedited", 0.25),
        ("DEEP_ARCHIVE", "Standard", "Standard", 12),
        ("DEEP_ARCHIVE", "Expedited", "Standard", 12),  # AWS has none such
    ],
)
def test_a_copy_is_asked_for_once_waited_for_and_read(
    moto: S3Objects, tier: str, speed: Any, taken: str, hours: float
) -> None:
    """The first look asks for it, the second is told that it comes, the third reads it."""
    key = f"{tier}-{speed}"
    _cold(moto, key, tier)
    moto = replace(moto, retrieval=RetrievalOptions(3, speed))
    asked = _asked(moto)
    before = datetime.now(UTC)
    first = _error(moto, key)
    after = datetime.now(UTC)
    assert f"a copy for 3 days was requested ({taken})" in str(first)
    assert first.ready is not None
    assert before <= first.ready - timedelta(hours=hours) <= after
    second = _error(moto, key)
    assert "was requested before and is on its way" in str(second)
    assert second.ready is not None
    assert moto.open(key).read(0, 7) == b"content"
    assert moto.get(key)[0] == b"content"
    assert [request["RestoreRequest"] for request in asked] == [
        {"Days": 3, "GlacierJobParameters": {"Tier": taken}}
    ]
    assert (asked[0]["Bucket"], asked[0]["Key"]) == (moto.bucket, key)


@pytest.mark.parametrize("tier", HOURS)
def test_small_objects_are_asked_for_as_well(moto: S3Objects, tier: str) -> None:
    """Whatever reads, one place asks."""
    _cold(moto, tier, tier)
    with pytest.raises(InColdStorage, match="was requested"):
        moto.get(tier)
    info = moto.head(tier)
    assert info is not None
    assert info.cold


def test_an_object_that_turned_cold_while_it_was_read(moto: S3Objects) -> None:
    """It is asked for too."""
    moto.put("turned", b"content")
    opened = moto.open("turned")
    _cold(moto, "turned", "GLACIER")
    etag = moto.client.head_object(Bucket=moto.bucket, Key="turned")["ETag"]
    with pytest.raises(InColdStorage, match="was requested"):
        replace(opened, etag=etag).read(0, 1)


def test_without_days_nothing_is_asked_for(moto: S3Objects) -> None:
    """Copies cost money: 0 days is for who wants none unasked."""
    _cold(moto, "left", "GLACIER")
    asked = _asked(moto)
    error = _error(replace(moto, retrieval=RetrievalOptions(0)), "left")
    assert error.ready is None
    assert "aws s3api restore-object" in str(error)
    assert asked == []


@pytest.mark.parametrize("tier", ["STANDARD", "STANDARD_IA", "GLACIER_IR"])
def test_other_classes_are_read_at_once(moto: S3Objects, tier: str) -> None:
    """GLACIER_IR is no cold tier in this sense."""
    _cold(moto, f"warm-{tier}", tier)
    assert moto.open(f"warm-{tier}").read(0, 7) == b"content"
    info = moto.head(f"warm-{tier}")
    assert info is not None
    assert not info.cold


def test_of_settings() -> None:
    """Days and tier are settings."""
    given = {"MEDIATOOL_S3_RESTORE_DAYS": "2", "MEDIATOOL_S3_RESTORE_TIER": "bulk"}
    assert S3Objects.of(Settings.parse(given)).retrieval == RetrievalOptions(2, "Bulk")
    assert S3Objects.of(Settings.parse({})).retrieval == RetrievalOptions()


def test_the_error_comes_out_of_a_worker_whole() -> None:
    """With its time."""
    error = InColdStorage("s3://b/k", "is in GLACIER", "wait", datetime(2026, 1, 1, tzinfo=UTC))
    again = pickle.loads(pickle.dumps(error))  # noqa: S301  # our own
    assert (str(again), again.ready) == (str(error), error.ready)
