"""A forger who can write every object of the bucket, and makes all digests agree again."""

import hashlib
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader, split_lines
from mediatool_assets.archive.writer import ArchiveWriter, spool_documents, spool_rows
from mediatool_assets.core.authenticity import (
    ACCEPT_ALL,
    SignaturePolicy,
    Verdict,
    content_digest,
    encode_statement,
    of_version,
)
from mediatool_assets.core.errors import DamagedInput, NotAuthentic, Refused
from mediatool_assets.core.manifest import ArchiveKind
from mediatool_assets.core.metadata import Metadata
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.signing import SigningKey, TrustedKey
from mediatool_assets.core.version import Version, archive_key, metadata_key
from mediatool_assets.restore.flow import restore_mongodb
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.ports import Stores
from mediatool_assets.verify.flow import verify
from mediatool_assets.versions import catalog
from mediatool_assets.versions.flow import fetch, fetch_member
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import finish, load_and_dump, make
from mediatool_assets_tests.twins import DirectoryObjects

ONE, TWO = Version.parse("20020621-143000"), Version.parse("20020622-143000")
KEY, OTHER_KEY = SigningKey(bytes(range(32))), SigningKey(bytes(range(1, 33)))
TRUST = SignaturePolicy((TrustedKey(KEY.public),))
NOW = datetime(2026, 11, 23, tzinfo=UTC)
KINDS: tuple[VersionArchive, ...] = ("raw", "transformed", "dump")


@pytest.fixture(scope="module")
def signed(settings: Settings, pool: Workspace) -> Iterator[Path]:
    """A bucket with two signed versions, whose databases are there."""
    documents = MongoDocuments.of(settings)
    with tempfile.TemporaryDirectory() as folder:
        objects = DirectoryObjects(Path(folder, "bucket"))
        for version in (ONE, TWO):
            make(objects, version)
            load_and_dump(objects, documents, pool, version)
            registry = Path(folder, "registry.json")
            finish(objects, documents, pool, version, registry, signing_key=KEY)
        yield objects.root
        for version in (ONE, TWO):
            documents.drop(mongodb_database(version))


@dataclass(frozen=True)
class Forger:
    """Write access to a bucket, and no key."""

    objects: DirectoryObjects

    def replace(self, key: str, data: bytes) -> None:
        """Put an object in the place of another, or where there is none."""
        info = self.objects.head(key)
        self.objects.put(key, data, replacing=info.etag if info else None)

    def remove(self, key: str) -> None:
        """Delete an object."""
        (self.objects.root / "objects" / key).unlink()

    def edit_archive(
        self, kind: VersionArchive, version: Version = ONE, name: ArchiveKind | None = None
    ) -> None:
        """Change a name in the archive; every block, digest, count and fingerprint agrees.

        It says that it is of the kind ``name``, else of its own.
        """
        source = self.objects.open(archive_key(kind, version))
        archive = ArchiveReader(source)
        path = self.objects.root / "forged"
        with path.open("wb") as file, tempfile.TemporaryDirectory() as scratch:
            writer = ArchiveWriter(file, name or archive.manifest.kind, version)
            for member in archive.manifest.members:
                content = b"".join(archive.blocks(member.blocks)).replace(b"xx", b"xy")
                if member.fingerprint is None:
                    writer.add_file(member.name, content)
                    continue
                rows = Path(scratch, "s")
                spool = (
                    spool_rows(rows, [split_lines(content)])
                    if member.table
                    else spool_documents(rows, [content])
                )
                table, collection = member.table, member.collection
                writer.add_rows(member.name, [spool], table=table, collection=collection)
            writer.finish(archive.manifest)
        self.objects.put(source.name.split("/", 3)[3], path.read_bytes(), replacing=source.etag)

    def edit_metadata(self, version: Version = ONE, **changes: Any) -> None:
        """Change fields of the metadata; what is said of the archives agrees with them again."""
        metadata = msgspec.structs.replace(
            catalog.read_unauthenticated(self.objects, version)[0], **changes
        )
        exports = metadata.exports
        for kind in KINDS:
            source = self.objects.open(archive_key(kind, version))
            data = source.read(0, source.size)
            export = msgspec.structs.replace(
                getattr(exports, kind),
                sha256=hashlib.sha256(data).hexdigest(),
                size_bytes=len(data),
                digest=ArchiveReader(source).digest,
            )
            exports = msgspec.structs.replace(exports, **{kind: export})
        self.publish(msgspec.structs.replace(metadata, exports=exports), version)

    def publish(self, metadata: Metadata, version: Version) -> None:
        """Write metadata as that of a version."""
        self.replace(metadata_key(version), metadata.to_json())

    def sign(self, key: SigningKey, version: Version = ONE) -> None:
        """Sign the metadata as it is with a key of the forger's own."""
        metadata = msgspec.structs.replace(
            catalog.read_unauthenticated(self.objects, version)[0], proof=None
        )
        content = content_digest(metadata.to_json())
        statement = encode_statement(of_version(metadata, content, 1, ""))
        self.publish(msgspec.structs.replace(metadata, proof=key.sign(statement)), version)


@pytest.fixture
def forger(signed: Path, tmp_path: Path) -> Forger:
    """A copy of the bucket, for a forger to write in."""
    shutil.copytree(signed, tmp_path / "bucket")
    return Forger(DirectoryObjects(tmp_path / "bucket", signature_policy=TRUST))


@dataclass(frozen=True)
class Reader:
    """Somebody who reads the bucket, and trusts a key or nobody in particular."""

    documents: MongoDocuments
    pool: Workspace

    def verify(
        self, forger: Forger, trust: SignaturePolicy = TRUST, version: Version = ONE
    ) -> Verdict:
        """The verdict on a version of the forger's bucket."""
        objects = DirectoryObjects(forger.objects.root, signature_policy=trust)
        return verify(
            Stores(objects, self.documents), replace(self.pool, clock=lambda: NOW), version
        )


@pytest.fixture
def reader(documents: MongoDocuments, pool: Workspace) -> Reader:
    """Reads with all stores."""
    return Reader(documents, pool)


def outcome(verdict: Verdict, part: str) -> str:
    """The outcome of one part."""
    return next(check.outcome for check in verdict.checks if check.part == part)


def replayed(forger: Forger) -> None:
    """The second version's archives and metadata under the name of the first."""
    for kind in KINDS:
        data, _ = forger.objects.get(archive_key(kind, TWO))
        forger.replace(archive_key(kind, ONE), data)
    data, _ = forger.objects.get(metadata_key(TWO))
    forger.replace(metadata_key(ONE), data)


def renamed(forger: Forger) -> None:
    """As before, and the metadata says that it is the first one's."""
    replayed(forger)
    metadata, _ = forger.objects.get(metadata_key(ONE))
    renamed = metadata.replace(str(TWO).encode(), str(ONE).encode())
    forger.replace(metadata_key(ONE), renamed)


def swapped(forger: Forger) -> None:
    """The two versions have each other's signature."""
    proof = catalog.read_unauthenticated(forger.objects, TWO)[0].proof
    forger.edit_metadata(proof=proof)


def self_signed(forger: Forger) -> None:
    """A changed archive, signed with a key of the forger's own."""
    forger.edit_archive("raw")
    forger.edit_metadata()
    forger.sign(OTHER_KEY)


def stripped(forger: Forger) -> None:
    """A changed archive, and metadata without a signature."""
    forger.edit_archive("raw")
    forger.edit_metadata(proof=None)


def posing(forger: Forger) -> None:
    """Signed with the forger's key, in the name of the trusted one."""
    self_signed(forger)
    proof = catalog.read_unauthenticated(forger.objects, ONE)[0].proof
    assert proof is not None
    forger.edit_metadata(proof=msgspec.structs.replace(proof, key=KEY.public.id))


def edited(kind: VersionArchive, name: ArchiveKind | None = None) -> Callable[[Forger], None]:
    """A changed row of an archive, and metadata that agrees with it."""

    def forge(forger: Forger) -> None:
        forger.edit_archive(kind, name=name)
        forger.edit_metadata()

    return forge


ALONE = "forged: .*(not the archive that was signed|not the one that was signed)|SHA-256"
FORGERIES: dict[str, tuple[Callable[[Forger], None], str]] = {
    "a row of the raw archive": (
        edited("raw"),
        "forged: .* what was .*: archives, metadata",
    ),
    "a row of the transformed archive": (edited("transformed"), "forged: .*: archives, metadata"),
    "a row of the dump": (edited("dump"), "forged: .*: archives, metadata"),
    "a raw archive that says it is a sanitized copy": (
        edited("raw", "sanitized"),
        "forged: .*: archives, metadata",
    ),
    "an archive alone": (lambda f: f.edit_archive("raw"), ALONE),
    "metadata": (lambda f: f.edit_metadata(notes="all is well"), "forged: .*: metadata"),
    "another version by another name": (renamed, "forged|is of version"),
    "another version's signature": (swapped, "forged: .* version"),
    "an unknown key": (self_signed, f"unknown key: key {OTHER_KEY.public.id}"),
    "no signature": (stripped, "unsigned: "),
    "the name of a trusted key": (posing, "forged: the signature was not made with key"),
}


@pytest.mark.parametrize(("forge", "says"), FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forgery_is_named_by_the_verdict(
    forger: Forger, reader: Reader, forge: Callable[[Forger], None], says: str
) -> None:
    """The version has failed, and the line of its authenticity says why."""
    assert reader.verify(forger).outcome == "passed"
    forge(forger)
    verdict = reader.verify(forger)
    assert verdict.outcome == outcome(verdict, "authenticity") == "failed"
    findings = [f for c in verdict.checks if c.part == "authenticity" for f in c.findings]
    assert any(re.search(says, finding) for finding in findings), findings


@pytest.mark.parametrize(("forge", "says"), FORGERIES.values(), ids=FORGERIES.keys())
def test_no_reader_takes_a_forgery(
    forger: Forger, reader: Reader, tmp_path: Path, forge: Callable[[Forger], None], says: str
) -> None:
    """Fetching, comparing and querying refuse it, and leave nothing; so does a restore."""
    forge(forger)
    objects, out = forger.objects, tmp_path / "out"
    reads: list[Callable[[], Any]] = [
        lambda: fetch(objects, ONE, "raw", out),
        lambda: fetch_member(objects, ONE, "raw", "accounts", out),
        lambda: catalog.read(objects, ONE),
        lambda: catalog.raw_archive(objects, ONE),
        lambda: catalog.reader(objects, "raw", ONE),
    ]
    if says == ALONE:  # which leaves the metadata and the transformed archive as they were
        del reads[2]
    else:
        reads.append(lambda: restore_mongodb(objects, reader.documents, reader.pool, ONE))
    for read in reads:
        with pytest.raises(DamagedInput, match=says):
            read()
    assert not out.exists() or not list(out.rglob("*.*"))


def test_a_version_is_signed_with_one_raw_archive(
    forger: Forger, reader: Reader, tmp_path: Path
) -> None:
    """Metadata that is taken away makes no new version of a changed archive: the chain knows it."""
    forger.edit_archive("raw")
    forger.remove(metadata_key(ONE))
    with pytest.raises(NotAuthentic, match=f"unfinished: {ONE} has no metadata"):
        catalog.reader(forger.objects, "raw", ONE)
    maker = DirectoryObjects(forger.objects.root, signature_policy=replace(TRUST, is_maker=True))
    stores = maker, reader.documents, reader.pool, ONE, tmp_path / "registry.json"
    with pytest.raises(Refused, match="set MEDIATOOL_SIGNING_KEY"):
        finish(*stores)
    with pytest.raises(NotAuthentic, match="was signed before, with the raw archive of digest"):
        finish(*stores, signing_key=KEY)
    assert forger.objects.head(metadata_key(ONE)) is None


def test_the_newest_version_is_not_an_older_one(forger: Forger) -> None:
    """Where the newest is forged `latest` ends there; lists have it, histories leave it out."""
    forger.edit_metadata(TWO, notes="all is well")
    with pytest.raises(NotAuthentic, match=rf"{TWO}\.json: forged: .*: metadata"):
        catalog.latest(forger.objects)
    assert [entry.version for entry in catalog.registry(forger.objects)] == [str(ONE), str(TWO)]
    assert [m.timestamp for m in catalog.complete_versions(forger.objects)] == [str(ONE)]


@pytest.mark.parametrize("trust", [TRUST, ACCEPT_ALL])
def test_a_version_under_the_name_of_another_is_found(
    forger: Forger, reader: Reader, trust: SignaturePolicy
) -> None:
    """Also without keys: its metadata says which one it is."""
    replayed(forger)
    with pytest.raises(DamagedInput, match=rf"{ONE}\.json is the metadata of '{TWO}'"):
        reader.verify(forger, trust)


def test_unsigned_versions_are_read_where_that_is_allowed(forger: Forger, tmp_path: Path) -> None:
    """Those from before there were keys; a signature of somebody else is refused all the same."""
    lenient = DirectoryObjects(
        forger.objects.root, signature_policy=replace(TRUST, allow_unsigned=True)
    )
    forger.edit_metadata(proof=None)
    assert fetch(lenient, ONE, "raw", tmp_path / "out").is_file()
    forger.sign(OTHER_KEY)
    with pytest.raises(NotAuthentic, match="unknown key"):
        fetch(lenient, ONE, "raw", tmp_path / "again")


def test_without_keys_the_databases_find_what_they_hold(forger: Forger, reader: Reader) -> None:
    """A forged transformed archive differs from the database; the line says that nobody looked."""
    forger.edit_archive("transformed")
    forger.edit_metadata()
    verdict = reader.verify(forger, ACCEPT_ALL)
    assert verdict.outcome == outcome(verdict, "mongodb") == "failed"
    assert verdict.authenticity.startswith(f"signed: by key {KEY.public.id}; MEDIATOOL_TRUSTED_K")
    assert [c.part for c in verdict.checks] == ["raw", "transformed", "dump", "mongodb"]


def test_without_keys_and_databases_nothing_finds_it(forger: Forger, pool: Workspace) -> None:
    """As docs/how-to/signatures.md says: all digests agree, and there is nothing else to ask."""
    for kind in KINDS:
        forger.edit_archive(kind)
    forger.edit_metadata(proof=None)
    objects = DirectoryObjects(forger.objects.root)
    verdict = verify(Stores(objects), replace(pool, clock=lambda: NOW), ONE)
    assert {c.part: c.outcome for c in verdict.checks if c.part != "mongodb"} == dict.fromkeys(
        KINDS, "passed"
    )
    assert verdict.authenticity == f"unsigned: the metadata of {ONE} has no signature"


def test_a_key_may_sign_the_versions_of_its_days_only(forger: Forger, reader: Reader) -> None:
    """So one that is replaced can be trusted for what it has signed, and for nothing new."""
    old = TrustedKey(KEY.public, last=date(2002, 6, 21))
    trust = SignaturePolicy((TrustedKey(OTHER_KEY.public), old))
    assert outcome(reader.verify(forger, trust), "authenticity") == "passed"
    verdict = reader.verify(forger, trust, TWO)
    assert verdict.authenticity == (
        f"unknown key: key {KEY.public.id} may not sign versions of 2002-06-22"
    )
