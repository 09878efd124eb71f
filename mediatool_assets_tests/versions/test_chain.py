"""The chain of versions: what is replaced, removed, inserted or cut off is found by its place."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from mediatool_assets.core.authenticity import (
    BEGINNING,
    ChainStatement,
    Checkpoint,
    SignaturePolicy,
    content_digest,
    encode_statement,
    entry_key,
    number_of,
    of_version,
)
from mediatool_assets.core.errors import Misuse, NotAuthentic
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.signing import SigningKey, TrustedKey
from mediatool_assets.core.version import ObjectInfo, Version, metadata_key
from mediatool_assets.stores.ports import ObjectStore
from mediatool_assets.versions.flow import (
    append_deletion,
    append_version,
    check,
    checkpoint_of,
    newest,
)
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.twins import DirectoryObjects

KEY, OTHER_KEY = SigningKey(bytes(range(32))), SigningKey(bytes(range(1, 33)))
TRUST = SignaturePolicy((TrustedKey(KEY.public),))
FIRST = Version.parse("20250621-020000")


def named(day: int) -> Version:
    """The version of a day, counted from 1."""
    return Version(FIRST.moment + timedelta(days=day - 1))


def add(objects: ObjectStore, version: Version, key: SigningKey | None = KEY) -> None:
    """Sign a version and write its metadata."""
    metadata = example(str(version))
    if key is not None:
        proof = append_version(objects, key, metadata)
        metadata = msgspec.structs.replace(metadata, proof=proof)
    objects.put(metadata_key(version), metadata.to_json())


@pytest.fixture
def chain(tmp_path: Path) -> DirectoryObjects:
    """An unsigned version, five that are signed, and one of them deleted by retention."""
    objects = DirectoryObjects(tmp_path / "bucket", signature_policy=TRUST)
    add(objects, Version(FIRST.moment - timedelta(days=1)), None)
    for day in range(1, 6):
        add(objects, named(day))
    append_deletion(objects, KEY, named(2), "a test export of 8 days ago")
    remove(objects, metadata_key(named(2)))
    return objects


def remove(objects: DirectoryObjects, key: str) -> None:
    """Delete an object."""
    (objects.root / "objects" / key).unlink()


def put(objects: DirectoryObjects, key: str, data: bytes) -> None:
    """Write an object, whatever was there."""
    info = objects.head(key)
    objects.put(key, data, replacing=info.etag if info else None)


def test_a_sound_chain_has_no_findings(chain: DirectoryObjects) -> None:
    """Deletions by retention are entries, not holes; versions from before the keys are counted."""
    end = newest(chain)
    found = check(chain, end)
    assert found.findings == []
    assert (found.newest, found.versions, found.deleted, found.unsigned) == (end, 4, 1, 1)
    assert str(end) == f"6:{end.digest}"
    assert Checkpoint.parse(str(end)) == end
    append_deletion(chain, KEY, named(2), "again")
    assert newest(chain) == end, "a deletion is recorded once"


def test_the_metadata_carries_its_checkpoint(tmp_path: Path) -> None:
    """So that whatever records the metadata elsewhere, as Dagster does, has one."""
    objects = DirectoryObjects(tmp_path)
    add(objects, FIRST)
    metadata = Metadata.from_json(objects.get(metadata_key(FIRST))[0])
    assert checkpoint_of(metadata) == newest(objects)
    assert checkpoint_of(example(str(FIRST))) is None
    assert newest(DirectoryObjects(tmp_path / "empty")) == BEGINNING


def removed(objects: DirectoryObjects) -> None:
    """The metadata of a version is gone."""
    remove(objects, metadata_key(named(3)))


def removed_with_its_entry(objects: DirectoryObjects) -> None:
    """And its entry with it."""
    removed(objects)
    remove(objects, entry_key(3))


def inserted(objects: DirectoryObjects) -> None:
    """A version that nobody has signed."""
    add(objects, Version(named(3).moment + timedelta(hours=1)), None)


def inserted_and_signed(objects: DirectoryObjects) -> None:
    """A version with an entry of the forger's key."""
    add(objects, named(9), OTHER_KEY)


def reborn(objects: DirectoryObjects) -> None:
    """A deleted version is there again, as it was signed."""
    data, _ = objects.get(entry_key(2))
    proof = msgspec.json.decode(data)
    metadata = msgspec.json.decode(example(str(named(2))).to_json())
    put(objects, metadata_key(named(2)), msgspec.json.encode(metadata | {"proof": proof}))


def edited(objects: DirectoryObjects) -> None:
    """A field of the metadata is another."""
    key = metadata_key(named(4))
    put(objects, key, objects.get(key)[0].replace(b'"notes": "', b'"notes": "not '))


def stripped(objects: DirectoryObjects) -> None:
    """The signature was taken away."""
    put(objects, metadata_key(named(4)), example(str(named(4))).to_json())


def swapped(objects: DirectoryObjects) -> None:
    """Two entries have changed places."""
    one, other = objects.get(entry_key(3))[0], objects.get(entry_key(4))[0]
    put(objects, entry_key(3), other)
    put(objects, entry_key(4), one)


def unreadable(objects: DirectoryObjects) -> None:
    """An entry is none."""
    put(objects, entry_key(3), b"{}")


def beginning(objects: DirectoryObjects) -> None:
    """The first entry and its version are gone."""
    remove(objects, entry_key(1))
    remove(objects, metadata_key(named(1)))


FORGERIES: list[tuple[Callable[[DirectoryObjects], None], str]] = [
    (removed, f"{named(3)}: entry 3 says that it exists, but its metadata does not"),
    (removed_with_its_entry, "entries 3 to 3 are missing"),
    (inserted, "20250623-030000: is unsigned, and has no entry in the chain"),
    (inserted_and_signed, f"{named(9)}: unknown key: key {OTHER_KEY.public.id}"),
    (reborn, f"{named(2)}: exists, though entry 6 says that it was deleted"),
    (
        edited,
        f"{named(4)}: forged: the metadata of {named(4)} differs from what was signed: metadata",
    ),
    (stripped, f"{named(4)}: forged: its signature was taken away"),
    (swapped, f"entry 3 ({named(4)}) says that it is entry 4"),
    (unreadable, "entry 3 cannot be read"),
    (beginning, "entries 1 to 1 are missing"),
]


@pytest.mark.parametrize(
    ("forge", "says"), FORGERIES, ids=[forge.__name__ for forge, _ in FORGERIES]
)
def test_a_forgery_is_found_with_its_place(
    chain: DirectoryObjects, forge: Callable[[DirectoryObjects], None], says: str
) -> None:
    """Whoever has no key cannot make the chain agree again."""
    forge(chain)
    findings = check(chain).findings
    assert any(finding.startswith(says) for finding in findings), findings


@pytest.mark.parametrize("forge", [removed, removed_with_its_entry, inserted, reborn, stripped])
def test_what_is_found_without_keys(
    chain: DirectoryObjects, forge: Callable[[DirectoryObjects], None]
) -> None:
    """Holes and what does not fit its entry need no key to be seen."""
    forge(chain)
    assert check(DirectoryObjects(chain.root)).findings


def test_a_cut_end_is_found_by_a_checkpoint(chain: DirectoryObjects) -> None:
    """And by nothing else: what is left is a sound chain."""
    end = newest(chain)
    remove(chain, entry_key(6))
    remove(chain, entry_key(5))
    remove(chain, metadata_key(named(5)))
    put(chain, metadata_key(named(2)), _signed_again(chain, 2))
    assert check(chain).findings == []
    assert check(chain, end).findings == [
        "the chain ends with entry 4, but the checkpoint is entry 6: its end was cut off"
    ]


def _signed_again(objects: DirectoryObjects, day: int) -> bytes:
    proof = msgspec.json.decode(objects.get(entry_key(day))[0])
    metadata = msgspec.json.decode(example(str(named(day))).to_json())
    return msgspec.json.encode(metadata | {"proof": proof})


def test_another_history_is_found_by_a_checkpoint(chain: DirectoryObjects) -> None:
    """One that a stolen key has signed from the middle on."""
    end = newest(chain)
    remove(chain, entry_key(6))
    append_deletion(chain, KEY, named(2), "for another reason")
    assert check(chain).findings == []
    assert check(chain, end).findings == [
        "entry 6 is not that of the checkpoint: history was changed"
    ]


def test_a_deletion_of_a_foreign_key_is_told(chain: DirectoryObjects) -> None:
    """It has no metadata that could tell."""
    append_deletion(chain, OTHER_KEY, named(3), "an attack")
    remove(chain, metadata_key(named(3)))
    [finding] = check(chain).findings
    assert finding.startswith(f"entry 7 ({named(3)}): ")


def test_a_first_entry_that_follows_another_is_told(tmp_path: Path) -> None:
    """Signed with a stolen key, after the beginning was cut off."""
    objects = DirectoryObjects(tmp_path, signature_policy=TRUST)
    statement = ChainStatement("deletion", 1, "0" * 64, str(FIRST), reason="old")
    objects.put(entry_key(1), KEY.sign(encode_statement(statement)).to_json())
    assert check(objects).findings == [
        f"entry 1 ({FIRST}) is not the first one: the beginning was cut off"
    ]


def test_a_version_that_was_deleted_first_is_not_from_before_the_keys(tmp_path: Path) -> None:
    """Its metadata came back without a signature."""
    objects = DirectoryObjects(tmp_path, signature_policy=TRUST)
    append_deletion(objects, KEY, FIRST, "old")
    add(objects, FIRST, None)
    found = check(objects)
    assert (found.unsigned, len(found.findings)) == (0, 2)


def test_an_entry_has_what_it_says_alone() -> None:
    """What is signed is a text: fields of another kind of entry are not in it."""
    statement = ChainStatement("deletion", 1, "", str(FIRST), reason="old")
    text = f'{{"entry":"deletion","number":1,"previous":"","version":"{FIRST}","reason":"old"}}'
    assert encode_statement(statement) == text
    assert (statement.rows, statement.documents) == (0, 0)


def test_the_number_of_an_entry() -> None:
    """Of eight digits; no other object of the folder is an entry."""
    assert number_of(entry_key(12)) == 12
    folder = entry_key(12).removesuffix("00000012.json")
    for name in ("12.json", "x.json", "00000012", "00000012.json.json", "000000012.json"):
        assert number_of(f"{folder}{name}") is None


@pytest.mark.parametrize("text", ["", "6", "six:ab", "6:abc", "6:" + "0" * 65])
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    """With the command that prints one."""
    with pytest.raises(Misuse, match="mediatool keys checkpoint"):
        Checkpoint.parse(text)


def test_writers_at_once_make_one_chain(tmp_path: Path) -> None:
    """Each entry follows one other; nobody's is lost."""
    objects = DirectoryObjects(tmp_path, signature_policy=TRUST)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda day: add(objects, named(day)), range(1, 13)))
    found = check(objects)
    assert (found.findings, found.newest.number, found.versions) == ([], 12, 12)


def of_archive(version: Version, digest: str) -> Metadata:
    """The metadata of a version whose raw archive has that digest."""
    metadata = example(str(version))
    raw = msgspec.structs.replace(metadata.exports.raw, digest=digest)
    exports = msgspec.structs.replace(metadata.exports, raw=raw)
    return msgspec.structs.replace(metadata, exports=exports)


def test_another_raw_archive_of_a_signed_version_is_refused(chain: DirectoryObjects) -> None:
    """Its metadata was removed and its archive replaced; a deleted version may come again."""
    version = named(9)
    append_version(chain, KEY, of_archive(version, "1" * 64))
    append_version(chain, KEY, of_archive(version, "1" * 64))
    with pytest.raises(NotAuthentic, match=f"{version} was signed before, with the raw archive"):
        append_version(chain, KEY, of_archive(version, "0" * 64))
    append_deletion(chain, KEY, version, "old")
    append_version(chain, KEY, of_archive(version, "0" * 64))


def test_an_entry_names_the_databases_that_were_made(chain: DirectoryObjects) -> None:
    """Both, or the one that there is."""
    metadata = example(str(FIRST))
    made = metadata.databases_created
    assert of_version(metadata, "", 1, "").databases == (made.postgres, made.mongodb)
    alone = msgspec.structs.replace(made, postgres=None)
    without = msgspec.structs.replace(metadata, databases_created=alone)
    assert of_version(without, "", 1, "").databases == (made.mongodb,)


def test_a_retry_that_signs_again_is_no_finding(tmp_path: Path) -> None:
    """A step that died between the entry and the metadata; the last entry of a version counts."""
    objects = DirectoryObjects(tmp_path, signature_policy=TRUST)
    append_version(objects, KEY, example(str(FIRST)))
    assert check(objects).findings == [
        f"{FIRST}: entry 1 says that it exists, but its metadata does not: "
        "it was removed, or its completion was interrupted"
    ]
    add(objects, FIRST)
    assert check(objects).findings == []


class Counting(DirectoryObjects):
    """A bucket that tells what was listed and how much was read."""

    listed: ClassVar[list[str]] = []
    reads: ClassVar[list[str]] = []

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        """Remember it."""
        self.listed.append(prefix)
        return super().list(prefix)

    def get(self, key: str) -> tuple[bytes, str]:
        """Remember it."""
        self.reads.append(key)
        return super().get(key)


def test_a_thousand_versions_cost_two_requests_each(tmp_path: Path) -> None:
    """And two listings, of the chain and of the metadata: never of the bucket as a whole."""
    last = BEGINNING
    for number in range(1, 1001):
        metadata = example(str(named(number)))
        content = content_digest(metadata.to_json())
        signed = KEY.sign(encode_statement(of_version(metadata, content, number, last.digest)))
        last = Checkpoint.of(number, signed.to_json())
        published = msgspec.structs.replace(metadata, proof=signed).to_json()
        for key, data in (
            (entry_key(number), signed.to_json()),
            (metadata_key(named(number)), published),
        ):
            path = tmp_path / "objects" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    objects = Counting(tmp_path, signature_policy=TRUST)
    found = check(objects, last)
    assert (found.findings, found.versions, found.newest) == ([], 1000, last)
    assert set(objects.listed) == {"postgres-exports/chain/", "postgres-exports/metadata/"}
    assert len(objects.reads) <= 2000


@dataclass
class Counted:
    """A bucket that remembers the entries of the chain that were read."""

    whole: DirectoryObjects
    read: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        """All else is the bucket's."""
        return getattr(self.whole, name)

    def get(self, key: str) -> tuple[bytes, str]:
        """Read, and remember it."""
        self.read.append(key)
        return self.whole.get(key)


def test_an_entry_costs_the_same_after_years(chain: DirectoryObjects) -> None:
    """What was written before a version's moment says nothing about it, and is not read."""
    last = newest(chain).number
    moment = (FIRST.moment + timedelta(days=30)).timestamp()
    for number in range(1, last + 1):
        os.utime(chain.root / "objects" / entry_key(number), (moment, moment))
    later = Version(FIRST.moment + timedelta(days=40))
    append_version(seen := Counted(chain), KEY, example(str(later)))
    assert seen.read == [entry_key(last)]
    append_deletion(seen, KEY, later, "a test export")
    assert seen.read[1:] == [entry_key(last + 1)] * 2
    append_deletion(seen := Counted(chain), KEY, later, "again")
    assert entry_key(last) not in seen.read
    assert newest(chain).number == last + 2


def test_an_old_entry_that_is_written_again_is_read(chain: DirectoryObjects) -> None:
    """Its object is newer then: nobody can make an entry older than it is."""
    last = newest(chain).number
    moment = (FIRST.moment - timedelta(days=30)).timestamp()
    for number in range(1, last):
        os.utime(chain.root / "objects" / entry_key(number), (moment, moment))
    append_version(seen := Counted(chain), KEY, example(str(named(20))))
    assert set(seen.read) == {entry_key(last)}


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_an_entry_of_a_clock_that_differs_is_read(chain: DirectoryObjects, minutes: int) -> None:
    """The bucket's clock is not the one that named the version."""
    last, version = newest(chain).number, named(20)
    moment = (version.moment + timedelta(minutes=minutes)).timestamp()
    append_version(chain, KEY, of_archive(version, "1" * 64))
    os.utime(chain.root / "objects" / entry_key(last + 1), (moment, moment))
    with pytest.raises(NotAuthentic, match="was signed before"):
        append_version(chain, KEY, of_archive(version, "0" * 64))
