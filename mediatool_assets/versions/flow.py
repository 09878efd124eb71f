"""Versions for commands: the chain of signatures, fetching, listing and marking.

The chain of versions in the bucket: appended to by many writers, and verified.

Fetch: downloads an archive or a file of it, which appears only after verification.

A list of versions: the registry's entries with rows, sizes and verdicts.

Commands on marks: notes, pins and promotions, which also update the registry.
"""

import hashlib
import logging
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from mediatool_assets.archive.reader import ArchiveReader, Bytes, LocalFile, stream
from mediatool_assets.core.authenticity import (
    BEGINNING,
    ChainStatement,
    Checkpoint,
    authenticity,
    content_digest,
    decode_statement,
    encode_statement,
    entry_key,
    number_of,
    of_version,
    signature_problem,
)
from mediatool_assets.core.errors import (
    BadArchive,
    DamagedInput,
    NotAuthentic,
    NotFound,
    Refused,
    UnknownName,
)
from mediatool_assets.core.metadata import Export, Marks, Metadata, RegistryEntry
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.signing import Signed, SigningKey
from mediatool_assets.core.texts import suggestion
from mediatool_assets.core.version import (
    CHAIN_PREFIX,
    Version,
    archive_key,
    checked_notes,
    metadata_key,
)
from mediatool_assets.stores.ports import DocumentStore, ObjectStore, Progress, silent
from mediatool_assets.versions import catalog
from mediatool_assets.versions.catalog import retried_on_conflict
from mediatool_assets.versions.records import (
    register,
    standing_of,
    verdict_keys,
    write_local_registry,
)

_THREADS = 16  # parallel requests: 2,000 of 50 ms take 6 s
_SKEW = timedelta(days=1)  # S3 refuses requests of a clock that is 15 minutes off


def append_version(objects: ObjectStore, key: SigningKey, metadata: Metadata) -> Signed:
    """Sign a version whose metadata is written next; returns the entry, the metadata's ``proof``.

    Raises NotAuthentic if the version was signed before with another raw archive: then somebody
    removed its metadata and replaced that archive.
    """
    own, before = metadata.exports.raw.digest, _signed_raw(objects, metadata.version)
    if before not in (None, own):
        raise NotAuthentic(
            f"{metadata.timestamp} was signed before, with the raw archive of digest {before}, "
            f"and now has one of digest {own}; restore the signed one, or remove the "
            "version's archives and make a new version"
        )
    content = content_digest(metadata.to_json())
    return _append(
        objects, key, lambda number, before: of_version(metadata, content, number, before)
    )


def _signed_raw(objects: ObjectStore, version: Version) -> str | None:
    """The digest of a version's raw archive in the chain; None if absent or deleted."""
    found: str | None = None
    for _, data in _entries(objects, version):
        with suppress(msgspec.MsgspecError):  # ``check`` reports what cannot be read
            statement = decode_statement(Signed.from_json(data))
            if statement.version == str(version):
                found = statement.archives.get("raw")  # None of a deletion
    return found


def append_deletion(objects: ObjectStore, key: SigningKey, version: Version, reason: str) -> None:
    """Sign the deletion of a version, which follows; does nothing if its last entry is one."""

    def deletion(number: int, before: str) -> ChainStatement:
        return ChainStatement("deletion", number, before, str(version), reason=reason)

    last = [e for e in _statements(objects, version) if e.version == str(version)]
    if not last or last[-1].entry != "deletion":
        _append(objects, key, deletion)


@retried_on_conflict
def _append(
    objects: ObjectStore, key: SigningKey, make: Callable[[int, str], ChainStatement]
) -> Signed:
    """Append the next entry; raises AlreadyExists after 30 lost races."""
    last = newest(objects)
    statement = make(last.number + 1, last.digest)
    signed = key.sign(encode_statement(statement))
    objects.put(entry_key(statement.number), signed.to_json())
    return signed


def newest(objects: ObjectStore) -> Checkpoint:
    """The end of the chain: its last entry. Lists the chain, one request per 1,000 entries."""
    numbers = _numbers(objects)
    if not numbers:
        return BEGINNING
    data, _ = objects.get(entry_key(numbers[-1]))
    return Checkpoint.of(numbers[-1], data)


def checkpoint_of(metadata: Metadata) -> Checkpoint | None:
    """The end of the chain when the version was made; None if it is not signed."""
    if metadata.proof is None:
        return None
    number = decode_statement(metadata.proof).number
    return Checkpoint.of(number, metadata.proof.to_json())


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of reading the chain.

    ``newest`` is its end, ``versions`` the number of existing versions in it, ``deleted`` that of
    deleted ones, ``unsigned`` the number of versions from before its first entry.
    """

    newest: Checkpoint
    versions: int
    deleted: int
    unsigned: int
    findings: list[str] = field(default_factory=list)


def check(objects: ObjectStore, since: Checkpoint | None = None) -> ChainReport:
    """Read the whole chain and every metadata file; compare them with each other and ``since``.

    Each finding names the entry or version. Takes two requests per version, and the listings of the
    chain and the metadata. Raises Unreachable.
    """
    findings: list[str] = []
    statements, last = _linked(objects, since, findings)
    there = list(catalog.versions(objects))
    by_version: dict[str, list[tuple[Signed, ChainStatement]]] = defaultdict(list)
    for signed, statement in statements:
        by_version[statement.version].append((signed, statement))
    findings += _gone(by_version, {str(version) for version in there})
    unsigned = 0
    first = min((Version.parse(name) for name in by_version), default=None)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="chain") as threads:
        judged = threads.map(lambda v: _misfit(objects, v, by_version.get(str(v), [])), there)
        for version, problem in zip(there, judged, strict=True):
            if problem == _UNSIGNED and (first is None or version < first):
                unsigned += 1
            elif problem is not None:
                findings.append(f"{version}: {problem}")
    kinds = [found[-1][1].entry for found in by_version.values()]
    return ChainReport(last, kinds.count("version"), kinds.count("deletion"), unsigned, findings)


_UNSIGNED = "is unsigned, and has no entry in the chain: it was inserted, or made without a key"


def _linked(
    objects: ObjectStore, since: Checkpoint | None, findings: list[str]
) -> tuple[list[tuple[Signed, ChainStatement]], Checkpoint]:
    """Return the readable entries and the end of the chain; adds problems to ``findings``."""
    statements: list[tuple[Signed, ChainStatement]] = []
    last, reached = BEGINNING, since is None or since == BEGINNING
    for number, data in _entries(objects):
        if number != last.number + 1:
            findings.append(f"entries {last.number + 1} to {number - 1} are missing")
            last = Checkpoint(number - 1, "")
        here = Checkpoint.of(number, data)
        if since is not None and since.number == number:
            reached = True
            if since != here:
                findings.append(
                    f"entry {number} is not that of the checkpoint: history was changed"
                )
        try:
            signed = Signed.from_json(data)
            statement = decode_statement(signed)
        except msgspec.MsgspecError as error:
            findings.append(f"entry {number} cannot be read ({error})")
        else:
            findings += _odd(objects, number, signed, statement, last)
            statements.append((signed, statement))
        last = here
    if not reached and since is not None:
        findings.append(
            f"the chain ends with entry {last.number}, but the checkpoint is entry {since.number}: "
            "its end was cut off"
        )
    return statements, last


def _odd(
    objects: ObjectStore, number: int, signed: Signed, statement: ChainStatement, last: Checkpoint
) -> Iterator[str]:
    """The problems of one entry, which follows ``last``."""
    name = f"entry {number} ({statement.version})"
    if (
        objects.signature_policy.keys
        and (problem := signature_problem(signed, objects.signature_policy)) is not None
    ):
        yield f"{name}: {problem}"
    if statement.number != number:
        yield f"{name} says that it is entry {statement.number}"
    elif statement.previous != last.digest and last.digest:
        yield f"{name} does not follow entry {last.number}: one of them was replaced"
    elif number == 1 and statement.previous:
        yield f"{name} is not the first one: the beginning was cut off"


def _gone(
    by_version: Mapping[str, list[tuple[Signed, ChainStatement]]], there: set[str]
) -> Iterator[str]:
    """Versions that exist only in the chain, or that exist although the chain has a deletion."""
    for version, found in by_version.items():
        last = found[-1][1]
        if last.entry == "version" and version not in there:
            yield (
                f"{version}: entry {last.number} says that it exists, but its metadata does not: "
                "it was removed, or its completion was interrupted"
            )
        if last.entry == "deletion" and version in there:
            yield f"{version}: exists, though entry {last.number} says that it was deleted"


def _misfit(
    objects: ObjectStore, version: Version, entries: Iterable[tuple[Signed, ChainStatement]]
) -> str | None:
    """Why a version's metadata does not match its entries, or None."""
    try:
        data, _ = objects.get(metadata_key(version))
        proof = Metadata.from_json(data).proof
        found = authenticity(data, version, objects.signature_policy)
    except NotFound:
        return None  # deleted while the chain was read
    except (msgspec.MsgspecError, DamagedInput) as error:
        return f"its metadata cannot be read ({error})"
    known = [signed for signed, statement in entries if statement.entry == "version"]
    if proof is None:
        return "forged: its signature was taken away" if known else _UNSIGNED
    if objects.signature_policy.keys and objects.signature_policy.refuses(found):
        return str(found)
    if proof not in known:
        return "its signature is not that of its entry: one of them was replaced, or left out"
    return None


def _statements(objects: ObjectStore, since: Version) -> Iterator[ChainStatement]:
    """The statements of the entries that may be about a version, in order; raises DamagedInput."""
    for number, data in _entries(objects, since):
        try:
            yield decode_statement(Signed.from_json(data))
        except msgspec.MsgspecError as error:
            raise DamagedInput(
                f"{objects.uri(entry_key(number))} cannot be read ({error}); "
                "`mediatool keys chain` lists all problems"
            ) from error


def _entries(objects: ObjectStore, since: Version | None = None) -> Iterator[tuple[int, bytes]]:
    """The entries in order, with their numbers; with ``since`` those that may be about that
    version.

    An entry is written after its version's time. S3 records when an object was written: rewriting
    an entry makes it newer, and can only cause more entries to be read.
    """
    numbers = _numbers(objects, since.moment - _SKEW if since is not None else None)
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="chain") as threads:
        found = threads.map(lambda number: objects.get(entry_key(number))[0], numbers)
        yield from zip(numbers, found, strict=True)


def _numbers(objects: ObjectStore, since: datetime | None = None) -> list[int]:
    listed = objects.list(CHAIN_PREFIX)
    found = (number_of(o.key) for o in listed if since is None or o.modified >= since)
    return [number for number in found if number is not None]


def fetch(
    objects: ObjectStore,
    version: Version,
    kind: VersionArchive,
    output: Path,
    *,
    progress: Progress = silent,
) -> Path:
    """Download an archive of a complete version into the directory ``output``, created if absent.

    Its SHA-256 is compared with the metadata, and each member's SHA-256, rows and fingerprint with
    the manifest; only then does the file get its name. An existing file with the same content is
    kept and returned. ``progress`` receives bytes. Raises NotFound (no such complete version),
    Refused (another file has the name), BadArchive, Unreachable.
    """
    expected = _export(catalog.read(objects, version), kind).sha256
    key = archive_key(kind, version, objects.database_names)
    path = output / Path(key).name
    if path.exists():
        return _same(path, expected)
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output, prefix=".mediatool-") as scratch:
        fetched = Path(scratch) / path.name
        _download(objects.open(key), fetched, expected, progress)
        reader = ArchiveReader(LocalFile(fetched))
        catalog.require_identity(reader, kind, version)
        catalog.authenticate(objects, key, kind, version, reader)
        reader.check_tar()
        for member in reader.manifest.members:
            reader.verify(member)
        fetched.rename(path)
    return path


def fetch_member(  # noqa: PLR0913  # as fetch, and a name
    objects: ObjectStore,
    version: Version,
    kind: VersionArchive,
    name: str,
    output: Path,
    *,
    progress: Progress = silent,
) -> Path:
    """Download one table or collection of a complete version, to the path that tar would use.

    Reads only its blocks. Each block is compared with its digest, and the whole with the manifest's
    fingerprint. Raises UnknownName, Refused (a file has the name), NotFound, BadArchive,
    Unreachable.
    """
    _export(catalog.read(objects, version), kind)
    archive = catalog.reader(objects, kind, version)
    known = archive.manifest.tables() | archive.manifest.collections()
    if name not in known:
        raise UnknownName(f"{archive.source.name} has no {name}; {suggestion(name, known)}")
    member = known[name]
    path = output / str(version) / member.name
    if path.exists():
        raise Refused(f"{path} exists already; move it, or fetch to another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mediatool-") as scratch:
        fetched, done = Path(scratch, "member"), 0
        with fetched.open("wb") as file:
            for content in archive.contents(member):
                file.write(content)
                done += len(content)
                progress("fetch", done, member.bytes, "bytes")
        fetched.rename(path)
    return path


def _export(metadata: Metadata, kind: VersionArchive) -> Export:
    """What the metadata says of an archive; raises NotFound if the version was made without it."""
    found = metadata.exports.by_archive.get(kind)
    if found is None:
        raise NotFound(
            f"{metadata.timestamp} has no {kind}: it was made without MongoDB; "
            "its transformed archive has the same documents"
        )
    return found


def _same(path: Path, expected: str) -> Path:
    """The existing file, if it has the SHA-256; raises Refused."""
    if not path.is_file() or _sha256_of_file(path) != expected:
        raise Refused(
            f"{path} exists already with other content; move it, or fetch to another folder"
        )
    return path


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _download(source: Bytes, path: Path, expected: str, progress: Progress) -> None:
    """Stream ``source`` to ``path``; raises BadArchive unless it has the SHA-256."""
    digest, done = hashlib.sha256(), 0
    with path.open("wb") as file:
        for data in stream(source):
            file.write(data)
            digest.update(data)
            done += len(data)
            progress("fetch", done, source.size, "bytes")
    if digest.hexdigest() != expected:
        raise BadArchive(source.name, "does not have the SHA-256 that its metadata gives")


_LOG = logging.getLogger(__name__)

_AT_ONCE = 16  # parallel requests: two per version, of about 50 ms each


class Listed(RegistryEntry, frozen=True, omit_defaults=False):
    """An entry, with the rows of its raw archive and the bytes of its archives.

    They are None if the metadata file cannot be read. ``verdict`` is the standing one and
    ``verified`` its time, both None if there is none. ``sample`` is the percentage of the version
    that was read, None if everything was.
    """

    rows: int | None = None
    size_bytes: int | None = None
    verdict: str | None = None
    verified: str | None = None
    sample: float | None = None


def listed(objects: ObjectStore, entries: Sequence[RegistryEntry]) -> list[Listed]:
    """Complete these entries, in their order: two small requests each, in parallel."""
    judged = verdict_keys(objects, [Version.parse(entry.version) for entry in entries])
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="listing") as threads:
        return list(threads.map(partial(_listed, objects, judged), entries))


def _listed(
    objects: ObjectStore, judged: Mapping[Version, Sequence[str]], entry: RegistryEntry
) -> Listed:
    version = Version.parse(entry.version)
    rows = size = None
    try:
        exports = catalog.read(objects, version).exports
        rows, size = exports.raw.record_count, exports.size_bytes
    except NotFound:
        pass  # it was deleted meanwhile
    except DamagedInput as error:
        _LOG.warning("%s", error)  # listed as unknown: a list has to name every version
    verdict = standing_of(objects, judged.get(version, ()))
    return Listed(
        **msgspec.structs.asdict(entry),
        rows=rows,
        size_bytes=size,
        verdict=verdict.outcome if verdict else None,
        verified=verdict.at if verdict else None,
        sample=verdict.sample if verdict else None,
    )


def annotate(objects: ObjectStore, version: Version, notes: str, local: Path) -> Marks:
    """Replace the notes of a complete version; raises NotFound, and Misuse if they are too long."""
    checked_notes(notes)
    catalog.read(objects, version)
    return _change(objects, lambda found: found.annotated(version, notes), local)


def keep(objects: ObjectStore, version: Version, local: Path, *, at: datetime, who: str) -> Marks:
    """Pin a complete version, so that neither ``prune`` nor the bucket's rule for tests deletes it.

    Raises NotFound if it does not exist, or if a concurrent ``prune`` deleted it without seeing the
    pin.
    """
    catalog.read(objects, version)
    pinned = _change(objects, lambda found: found.keeping(version, at, who), local, version)
    try:
        catalog.read(objects, version)
    except NotFound:
        _change(objects, lambda found: found.letting_go(version), local)
        raise
    return pinned


def unkeep(objects: ObjectStore, version: Version, local: Path) -> Marks:
    """Remove a version's pin, even if the version itself is gone; raises NotFound."""
    if str(version) not in catalog.read_marks(objects).pinned:
        catalog.read(objects, version)
    return _change(objects, lambda found: found.letting_go(version), local, version)


def promote(  # noqa: PLR0913  # two stores, the local copy, and the evidence
    objects: ObjectStore,
    documents: DocumentStore,
    version: Version,
    local: Path,
    *,
    at: datetime,
    who: str,
) -> Marks:
    """Name the version that applications should use; its database must exist and be complete.

    Raises NotFound otherwise, or if a concurrent ``prune`` deleted it without seeing the promotion.
    """
    _require(objects, documents, version)
    promoted = _change(objects, lambda found: found.promoting(version, at, who), local, version)
    try:
        _require(objects, documents, version)
    except NotFound:
        _change(objects, lambda found: found.withdrawing(version, at, at), local)
        raise
    return promoted


def rollback(objects: ObjectStore, documents: DocumentStore, local: Path, *, at: datetime) -> Marks:
    """Return to the previously promoted version; raises Refused if there was none."""

    def edit(found: Marks) -> Marks:
        edited = found.rolled_back(at)
        version = Version.parse(edited.promoted or "")
        catalog.read(objects, version)
        _require_database(documents, version)
        return edited

    return _change(objects, edit, local)


def _change(
    objects: ObjectStore,
    edit: Callable[[Marks], Marks],
    local: Path,
    version: Version | None = None,
) -> Marks:
    """Change the marks, and the tags and the registry that follow from them.

    A test version that a mark will protect loses its deletion tag first: wherever this is
    interrupted, no protected version is deleted. The marks are next, since they are authoritative.
    """
    before = catalog.read_marks(objects)
    for name in edit(before).protected - before.protected:
        _tag(objects, Version.parse(name), catalog.remove_tags)
    after = catalog.change(objects, edit)
    named = set() if version is None else {str(version)}
    for name in named | (before.protected ^ after.protected):
        _tag(objects, Version.parse(name), catalog.update_tags)
    register(objects)
    write_local_registry(objects, local)
    return after


def _tag(
    objects: ObjectStore, version: Version, change: Callable[[ObjectStore, Metadata], None]
) -> None:
    """Change the tags of a version, if it is there; one whose metadata is damaged stays tagged."""
    if version in set(catalog.versions(objects, version.day, version.day)):
        try:
            with suppress(NotFound):  # deleted meanwhile
                change(objects, catalog.read(objects, version))
        except DamagedInput as error:
            _LOG.warning("%s", error)


def _require(objects: ObjectStore, documents: DocumentStore, version: Version) -> None:
    """Require a complete version with a complete database."""
    catalog.read(objects, version)
    _require_database(documents, version)


def _require_database(documents: DocumentStore, version: Version) -> None:
    database = documents.database_names.in_mongodb(version)
    if documents.marker(database) is None:
        raise NotFound(
            f"the database {database} does not exist or is not complete; make it with "
            f"`mediatool restore {version} --to mongodb`"
        )
