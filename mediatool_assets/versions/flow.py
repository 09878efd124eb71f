"""The chain of versions in the bucket: appended to by many writers, and verified."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec

from mediatool_assets.domain.authenticity import authenticity, signature_problem
from mediatool_assets.domain.chain import (
    BEGINNING,
    ChainStatement,
    Checkpoint,
    content_digest,
    decode_statement,
    encode_statement,
    entry_key,
    number_of,
    of_version,
)
from mediatool_assets.domain.errors import DamagedInput, NotAuthentic, NotFound
from mediatool_assets.domain.keys import CHAIN_PREFIX, metadata_key
from mediatool_assets.domain.metadata import Metadata
from mediatool_assets.domain.signing import Signed, SigningKey
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.versions import catalog
from mediatool_assets.flows.versions.conflicts import retried_on_conflict

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
