"""Every field of metadata, marks, registry and verdicts changed: readers go on, or say what it is.

The oracle is plain: another version, whose documents are sound, is listed and read whatever the
first one's say, and nothing but this package's own errors is raised.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mediatool_assets.core import metadata
from mediatool_assets.core.authenticity import Check, Verdict, verdict_key
from mediatool_assets.core.errors import MediatoolError
from mediatool_assets.core.metadata import Marks, RegistryEntry
from mediatool_assets.core.version import (
    MARKS_KEY,
    REGISTRY_KEY,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import listed
from mediatool_assets.versions.records import keep_newest_last, register, standing_verdict
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.simulation.bucket import Bucket
from mediatool_assets_tests.simulation.test_twins import Quiet


class Seconds(Quiet):
    """A host on which a second passes between two looks at the clock, so that nobody waits."""

    passed = 0

    @property
    def time(self) -> datetime:
        """A second later than before."""
        self.passed += 1
        return AT + timedelta(seconds=self.passed)


@pytest.fixture(autouse=True)
def _nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the newest version can be the last one in ``aws s3 ls`` a second has to pass."""
    monkeypatch.setattr(keep_newest_last.retry, "sleep", lambda _: None)


ABSENT = object()
OTHERS = [ABSENT, None, -1, "x", "", {}, [[]], 10**400]
AT = datetime(2025, 6, 23, 8, tzinfo=UTC)
OLD, NEW = Version.parse("20250621-143000"), Version.parse("20250622-143000")
JUDGED = Verdict(
    str(NEW), "2025-06-23T08:00:00.000001Z", 1.0, "passed", (Check("raw", "x", "passed", 1, 1),), 50
)
FAILED = Verdict(str(NEW), "2025-06-22T18:00:00.000001Z", 1.0, "failed", JUDGED.checks)


def stored() -> dict[str, bytes]:
    """The documents of a small bucket, by key."""
    said = Marks().keeping(OLD, AT, "ann").promoting(OLD, AT, "ann").promoting(NEW, AT, "bob")
    said = said.annotated(NEW, "good")
    entries = [RegistryEntry.of(example(str(v))).marked(said) for v in (OLD, NEW)]
    return {
        **{metadata_key(v): example(str(v)).to_json() for v in (NEW, OLD)},
        **{archive_key("raw", v): b"archive" for v in (OLD, NEW)},
        MARKS_KEY: said.to_json(),
        REGISTRY_KEY: metadata.registry_to_json(entries),
        **{verdict_key(NEW, v): v.to_json() for v in (FAILED, JUDGED)},
    }


def changed(value: Any) -> Iterator[Any]:
    """The value with one part of it replaced, each part by each of the others."""
    for key in range(len(value)) if isinstance(value, list) else list(value):
        for other in OTHERS:
            copy = deepcopy(value)
            if other is ABSENT:
                del copy[key]
            else:
                copy[key] = other
            yield copy
        if isinstance(value[key], (dict, list)):
            for inner in changed(value[key]):
                copy = dict(value) if isinstance(value, dict) else list(value)
                copy[key] = inner
                yield copy


def require(objects: Bucket, *, is_sound: bool = True) -> None:
    """What every reader has to do whatever one document says."""
    readers: list[Callable[[], object]] = [
        lambda: catalog.read(objects, NEW),
        lambda: catalog.latest(objects),
        lambda: catalog.versions_before(objects, NEW, 1),
        lambda: catalog.read_marks(objects),
        lambda: standing_verdict(objects, NEW),
        lambda: keep_newest_last(objects),
        lambda: register(objects, anew=True),
    ]
    for reader in readers:
        try:
            reader()
        except MediatoolError as error:
            assert str(error)  # that it is one of ours is what is tested
    assert OLD in {m.version for m in catalog.complete_versions(objects)}
    entries = catalog.registry(objects)
    assert str(OLD) in {entry.version for entry in entries}
    shown = {each.version: each for each in listed(objects, entries)}
    assert shown[str(OLD)].rows == 848_937
    if is_sound:
        assert catalog.latest(objects).version == NEW


@pytest.mark.parametrize(
    ("key", "is_sound"),
    [
        (metadata_key(NEW), False),
        (MARKS_KEY, True),
        (REGISTRY_KEY, True),
        (verdict_key(NEW, JUDGED), True),
        (verdict_key(NEW, FAILED), True),
    ],
    ids=["metadata", "marks", "registry", "verdict", "failed verdict"],
)
def test_every_field_changed(key: str, is_sound: bool) -> None:
    """Readers of other versions go on, and no error but our own is raised."""
    documents = stored()
    for other in changed(json.loads(documents[key])):
        objects = Bucket(Seconds())
        for name, data in documents.items():
            objects.put(name, data if name != key else json.dumps(other).encode())
        require(objects, is_sound=is_sound)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 100_000, b"null"])
def test_a_damaged_verdict_counts_as_its_key_says(data: bytes) -> None:
    """A failure stays one; what was passed is not known any more, and is not shown as passed."""
    objects = Bucket(Seconds())
    objects.put(verdict_key(NEW, JUDGED), data)
    found = standing_verdict(objects, NEW)
    assert found == Verdict(str(NEW), JUDGED.at, 0.0, "unknown", ())
    objects.put(verdict_key(OLD, FAILED), data)
    found = standing_verdict(objects, OLD)
    assert found == Verdict(str(OLD), FAILED.at, 0.0, "failed", ())
