"""The catalog: versions with a metadata file, found without listing years of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
import pytest

from mediatool_assets.core import metadata as registry
from mediatool_assets.core.authenticity import SignaturePolicy
from mediatool_assets.core.errors import DamagedInput, MediatoolError, NotAuthentic, NotFound
from mediatool_assets.core.metadata import Marks, RecordedSource, RegistryEntry, SourceIdentity
from mediatool_assets.core.signing import SigningKey, TrustedKey
from mediatool_assets.core.version import (
    MARKS_KEY,
    METADATA_PREFIX,
    REGISTRY_KEY,
    ObjectInfo,
    Version,
    archive_key,
    metadata_key,
)
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import append_version
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

KEY = SigningKey(bytes(32))
VERSIONS = ["20250601-020000", "20250621-020000", "20250621-143000", "20250702-020000"]


@dataclass(frozen=True)
class Watched(DirectoryObjects):
    """A bucket that remembers which prefixes were listed."""

    listed: list[str] = field(default_factory=list)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """As the bucket, and remembered."""
        self.listed.append(prefix)
        return super().list(prefix)


@pytest.fixture
def objects(tmp_path: Path) -> Watched:
    """A bucket with the versions, and with what else can lie there."""
    objects = Watched(tmp_path)
    for version in VERSIONS:
        complete(objects, version)
    objects.put(REGISTRY_KEY, b"[]\n")
    objects.put("postgres-exports/raw/2025-08-01/20250801-020000-raw.tar.gz", b"incomplete")
    for stray in ("2025-08-01/notes.txt", "2025-08-01/20250802-020000.json", "z/", "readme.json"):
        objects.put(f"{METADATA_PREFIX}{stray}x", b"stray")
    objects.listed.clear()
    return objects


def complete(objects: DirectoryObjects, version: str) -> None:
    """Write a version's metadata file, which makes it complete."""
    objects.put(metadata_key(Version.parse(version)), example(version).to_json())


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, VERSIONS),
        (date(2025, 6, 21), None, VERSIONS[1:]),
        (None, date(2025, 6, 21), VERSIONS[:3]),
        (date(2025, 6, 21), date(2025, 6, 21), VERSIONS[1:3]),
        (date(2025, 6, 2), date(2025, 7, 1), VERSIONS[1:3]),
        (date(2025, 6, 22), date(2025, 6, 30), []),
        (date(2025, 7, 2), date(2025, 6, 1), []),
    ],
)
def test_versions_of_days(
    objects: Watched, first: date | None, last: date | None, expected: list[str]
) -> None:
    """The complete versions of the days come in their order, and nothing else that lies there."""
    assert [str(v) for v in catalog.versions(objects, first, last)] == expected
    found = catalog.complete_versions(objects, first, last)
    assert list(found) == [example(version) for version in expected]


def test_read(objects: Watched) -> None:
    """A complete version's metadata is read; of any other it says that it is not complete."""
    assert catalog.read(objects, Version.parse(VERSIONS[2])) == example(VERSIONS[2])
    with pytest.raises(NotFound, match=r"20250801-020000 is not a complete version.*versions"):
        catalog.read(objects, Version.parse("20250801-020000"))
    with pytest.raises(NotFound, match=r"did you mean 20250621-143000.*\?"):
        catalog.read(objects, Version.parse("20250621-143001"))
    with pytest.raises(NotFound, match=r"json does not exist; `mediatool versions`"):
        catalog.read(objects, Version.parse("19990909-095959"))


@pytest.mark.parametrize("damage", [b"{}", b"", b"null", b"\xff", b"[" * 100_000])
def test_damaged_metadata(
    objects: Watched, caplog: pytest.LogCaptureFixture, damage: bytes
) -> None:
    """It is named; whoever asks for that version is told, and all else goes on with the others."""
    damaged, key = Version.parse("20250901-000000"), "2025-09-01/20250901-000000.json"
    objects.put(METADATA_PREFIX + key, damage)
    with pytest.raises(DamagedInput, match=r"20250901-000000\.json cannot be read"):
        catalog.read(objects, damaged)
    whole = [example(version) for version in VERSIONS]
    entries = tuple(map(RegistryEntry.of, whole))
    for ask, answer in (
        (lambda: catalog.latest(objects), whole[-1]),
        (
            lambda: catalog.versions_before(objects, Version.parse("20990101-000000"), 2),
            tuple(whole[-2:]),
        ),
        (lambda: list(catalog.complete_versions(objects)), whole),
        (lambda: catalog.registry(objects), entries),
        (lambda: catalog.whole_registry(objects, (), anew=True), entries),
    ):
        caplog.clear()
        assert ask() == answer
        assert f"{key} cannot be read" in caplog.text


def test_damaged_metadata_of_a_version_that_the_registry_lists(objects: Watched) -> None:
    """Its entry stays, also where the registry is made anew."""
    key = metadata_key(Version.parse(VERSIONS[1]))
    objects.put(key, b"{}", replacing=objects.get(key)[1])
    entries = tuple(RegistryEntry.of(example(version)) for version in VERSIONS)
    assert catalog.whole_registry(objects, entries) == entries
    assert catalog.whole_registry(objects, entries, anew=True) == entries


def test_latest(objects: Watched) -> None:
    """The newest complete version of all, found by listing only the newest days."""
    assert catalog.latest(objects).timestamp == VERSIONS[-1]
    assert METADATA_PREFIX not in objects.listed
    assert f"{METADATA_PREFIX}2025-06-21/" not in objects.listed


def test_latest_of_a_day(objects: Watched) -> None:
    """The newest complete version stands for its partition; another day's does not."""
    assert catalog.latest(objects, "2025-06-21").timestamp == "20250621-143000"
    assert objects.listed == [f"{METADATA_PREFIX}2025-06-21/"]
    with pytest.raises(NotFound, match="no complete version of 2025-08-01"):
        catalog.latest(objects, "2025-08-01")


@pytest.mark.parametrize(
    ("version", "count", "expected"),
    [
        ("20991231-235959", 2, VERSIONS[-2:]),
        ("20991231-235959", 99, VERSIONS),
        (VERSIONS[2], 1, VERSIONS[1:2]),
        (VERSIONS[0], 3, []),
    ],
)
def test_the_versions_before_one(
    objects: Watched, version: str, count: int, expected: list[str]
) -> None:
    """The last few before it, those of its own day too, oldest first; never itself."""
    found = catalog.versions_before(objects, Version.parse(version), count)
    assert [metadata.timestamp for metadata in found] == expected


def test_an_empty_bucket(tmp_path: Path) -> None:
    """Before the first version there is none, and the message says how to make one."""
    empty = DirectoryObjects(tmp_path)
    assert list(catalog.versions(empty)) == []
    assert catalog.registry(empty) == ()
    with pytest.raises(NotFound, match="mediatool export"):
        catalog.latest(empty)


def test_the_registry_is_held_against_the_metadata(objects: Watched) -> None:
    """What it lists is not read again; what it lacks is added, what is gone is left out."""
    _, etag = objects.get(REGISTRY_KEY)
    first, *others = (RegistryEntry.of(example(version)) for version in VERSIONS)
    first = msgspec.structs.replace(first, notes="as the file says")
    gone = RegistryEntry.of(example("20240101-000000"))
    objects.put(REGISTRY_KEY, registry.registry_to_json((gone, first)), replacing=etag)
    assert catalog.registry(objects) == (first, *others)
    assert objects.listed == [METADATA_PREFIX]


def test_the_registry_has_the_marks_of_today(
    objects: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever its file says; marks that cannot be read are logged, and change nothing."""
    plain = tuple(RegistryEntry.of(example(version)) for version in VERSIONS)
    version = Version.parse(VERSIONS[1])
    marks = Marks().promoting(version, version.moment, "ann")
    objects.put(MARKS_KEY, marks.to_json())
    assert catalog.registry(objects) == tuple(entry.marked(marks) for entry in plain)
    assert catalog.registry(objects) != plain
    objects.put(MARKS_KEY, b"[", replacing=objects.get(MARKS_KEY)[1])
    assert catalog.registry(objects) == plain
    assert MARKS_KEY in caplog.text


@pytest.mark.parametrize(
    "damage", [b"", b"[", b'[{"version": "x"}]', b"[]]", b"[]", b"null", b"\xff", None]
)
def test_a_lost_registry(objects: Watched, damage: bytes | None) -> None:
    """Where the registry is lost or damaged, it is told from the metadata files."""
    if damage is None:
        (objects.root / "objects" / REGISTRY_KEY).unlink()
    else:
        objects.put(REGISTRY_KEY, damage, replacing=objects.get(REGISTRY_KEY)[1])
    assert catalog.registry(objects) == tuple(
        RegistryEntry.of(example(version)) for version in VERSIONS
    )


@dataclass(frozen=True)
class Vanishing(DirectoryObjects):
    """A bucket in which one object is deleted after it was listed."""

    gone: str = ""

    def get(self, key: str) -> tuple[bytes, str]:
        """Read an object that is still there."""
        if key == self.gone:
            raise NotFound(f"{key} does not exist")
        return super().get(key)


def test_a_version_that_is_deleted_meanwhile_is_left_out(objects: Watched) -> None:
    """Those after it are told."""
    first, *others = VERSIONS
    vanishing = Vanishing(objects.root, gone=metadata_key(Version.parse(first)))
    assert [each.timestamp for each in catalog.complete_versions(vanishing)] == others


def test_the_source_of_a_version(objects: Watched) -> None:
    """By its metadata; a version without metadata and raw archive has none."""
    found = catalog.source_of(objects, Version.parse(VERSIONS[0]))
    assert found == SourceIdentity.of(example(VERSIONS[0]).source)
    assert catalog.source_of(objects, Version.parse("20250101-020000")) is None
    assert catalog.version_of("20250101-020000.json") is None


def test_the_versions_before_one_are_of_its_source(tmp_path: Path) -> None:
    """Or of the one that is named."""
    objects = DirectoryObjects(tmp_path)
    names = ("ours", "other", "ours")
    sources = [RecordedSource("postgres", "server", None, database=name) for name in names]
    for version, source in zip(VERSIONS[:3], sources, strict=True):
        of_source = msgspec.structs.replace(example(version), source=source)
        objects.put(metadata_key(Version.parse(version)), of_source.to_json())
    last, other = Version.parse(VERSIONS[2]), SourceIdentity.of(sources[1])
    for named, expected in ((None, VERSIONS[:1]), (other, VERSIONS[1:2])):
        found = catalog.versions_before(objects, last, 2, named)
        assert [each.timestamp for each in found] == expected


def test_with_keys_an_unsigned_version_is_not_read(
    objects: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor its raw archive; among others it is left out, and told."""
    trusting = DirectoryObjects(
        objects.root, signature_policy=SignaturePolicy((TrustedKey(KEY.public),))
    )
    version = Version.parse(VERSIONS[0])
    archive = archive_key("raw", version)
    trusting.put(archive, b"not signed")
    refusals: tuple[Callable[[], object], ...] = (
        lambda: catalog.read(trusting, version),
        lambda: catalog.raw_archive(trusting, version),
        lambda: catalog.latest(trusting),
    )
    for refused in refusals:
        with pytest.raises(NotAuthentic, match="unsigned"):
            refused()
    identity = SourceIdentity.of(example(VERSIONS[0]).source)
    before = Version.parse(VERSIONS[2])
    for left_out in (
        partial(catalog.complete_versions, trusting),
        partial(catalog.versions_before, trusting, before, 2, identity),
    ):
        caplog.clear()
        assert list(left_out()) == []
        assert "unsigned" in caplog.text
    assert catalog.raw_archive(objects, version).size == len(b"not signed")


def test_with_keys_the_raw_archive_is_the_signed_one(objects: Watched) -> None:
    """A version that is signed, and another archive in its place."""
    trusting = DirectoryObjects(
        objects.root, signature_policy=SignaturePolicy((TrustedKey(KEY.public),))
    )
    version = Version.parse("20250801-020000")
    proof = append_version(trusting, KEY, example(str(version)))
    signed = msgspec.structs.replace(example(str(version)), proof=proof)
    trusting.put(metadata_key(version), signed.to_json())
    assert catalog.read(trusting, version) == signed
    with pytest.raises(MediatoolError, match=r"20250801-020000-raw\.tar\.gz"):
        catalog.raw_archive(trusting, version)
