"""The rules of a verification, tried without servers: what is damage, and what a sample reads."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from mediatool_assets.archive.reader import ArchiveReader
from mediatool_assets.archive.writer import ArchiveWriter, spool_documents, spool_rows
from mediatool_assets.core.authenticity import BEGINNING, Check, DailySample, SignaturePolicy
from mediatool_assets.core.errors import CheckFailed, DamagedInput, Misuse, Unreachable
from mediatool_assets.core.manifest import (
    FORMAT,
    ArchiveKind,
    Exclusion,
    Fingerprint,
    Manifest,
    Member,
)
from mediatool_assets.core.metadata import Marker, content_of
from mediatool_assets.core.outcomes import Outcome
from mediatool_assets.core.schema import Schema, Table
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.signing import SigningKey, TrustedKey
from mediatool_assets.core.version import AS_DESCRIBED, metadata_key
from mediatool_assets.stores.ports import DocumentStore, RestoreTarget
from mediatool_assets.verify import flow as databases
from mediatool_assets.verify.flow import (
    ArchiveReading,
    MemberBlocks,
    MongoReading,
    PostgresReading,
    StoreReading,
    Verification,
    damages,
    in_two_tries,
    look_again,
    open_archive,
    open_mongodb,
    open_postgres,
    read_blocks,
    read_chain,
    read_mongodb,
    read_signature,
)
from mediatool_assets.versions.flow import append_version
from mediatool_assets.versions.records import Loaded
from mediatool_assets_tests.archive.strategies import VERSION, MemoryBytes
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import table
from mediatool_assets_tests.twins import DirectoryObjects

DAY = date(2026, 11, 23)
KEY = SigningKey(bytes(range(32)))
SCHEMA = Schema("media_tool", (table("none", id="integer"), table("t", id="integer")))
ROWS = [b'{"id":%d}' % 7 ** (n * n) for n in range(6)]


def built(tmp_path: Path, *, schema: Schema | None = None) -> tuple[bytes, Manifest]:
    """An archive of a table of three blocks, a collection of one, an empty table and a file.

    And with ``schema`` one that names its tables.
    """
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "raw", VERSION)
    spools = [spool_rows(tmp_path / f"{n}", [ROWS[n : n + 2]]) for n in (0, 2, 4)]
    writer.add_rows("t.ndjson", spools, table="t")
    documents = [b"\x05\0\0\0\0", b"\x08\0\0\0\x0aa\0\0"]
    writer.add_rows("c.bson", [spool_documents(tmp_path / "c", documents)], collection="c")
    writer.add_rows("none.ndjson", [], table="none")
    writer.add_file("schema.sql", b"-- x")
    if schema is not None:
        writer.add_file("schema.json", schema.to_json())
    manifest = writer.finish()
    return sink.getvalue(), manifest


@pytest.fixture
def archive(tmp_path: Path) -> ArchiveReader:
    """The archive, sound."""
    return ArchiveReader(MemoryBytes(built(tmp_path)[0]))


def damaged(archive: ArchiveReader, *offsets: int) -> ArchiveReader:
    """The archive with other bytes in these places."""
    source = archive.source
    data = bytearray(source.read(0, source.size))
    for offset in offsets:
        data[offset] ^= 1
    return ArchiveReader(MemoryBytes(bytes(data)))


def place(member: Member, number: int) -> str:
    """A block, as messages name it."""
    block = member.blocks[number - 1]
    end = block.offset + block.length - 1
    return f"{member.name}, block {number} of {len(member.blocks)} (bytes {block.offset}-{end})"


@pytest.mark.parametrize("whole", [True, False])
def test_sound_blocks(archive: ArchiveReader, whole: bool) -> None:
    """Nothing is wrong with any file, whether it has rows or not."""
    for member in archive.manifest.members:
        assert damages(MemberBlocks(archive, member, member.blocks, whole)) == []


@pytest.mark.parametrize("whole", [True, False])
def test_damaged_blocks_are_all_named(archive: ArchiveReader, whole: bool) -> None:
    """By their place; sound ones between them are not."""
    member = archive.member("t.ndjson")
    # the end of a block is the length of its content, as gzip has it
    ends = [block.offset + block.length - 1 for block in member.blocks]
    bad = damaged(archive, ends[0], ends[2])
    found = damages(MemberBlocks(bad, member, member.blocks, whole))
    assert [text.partition(": ")[0] for text in found] == [place(member, 1), place(member, 3)]


def test_sound_blocks_of_other_rows(archive: ArchiveReader) -> None:
    """A whole file has its fingerprint, and as many rows as its manifest says."""
    member = archive.member("t.ndjson")
    assert len({block.length for block in member.blocks}) == 3
    first, last = member.blocks[0], member.blocks[-1]
    other = msgspec.structs.replace(member, fingerprint="6:" + "0" * 32)
    assert damages(MemberBlocks(archive, other, member.blocks, whole=True)) == [
        f"t.ndjson: bytes {first.offset}-{last.offset + last.length - 1}: "
        "t.ndjson does not have its fingerprint"
    ]
    more = msgspec.structs.replace(member, rows=7)
    said = ["t.ndjson: 6 rows, its manifest says 7"]
    assert damages(MemberBlocks(archive, more, member.blocks, whole=True)) == said
    none = msgspec.structs.replace(archive.member("none.ndjson"), fingerprint="1:" + "0" * 32)
    assert damages(MemberBlocks(archive, none, (), whole=True)) == [
        "none.ndjson: none.ndjson does not have its fingerprint"
    ]


@pytest.mark.parametrize(("name", "rows"), [("t.ndjson", 2), ("c.bson", 2), ("schema.sql", 0)])
def test_a_sampled_block_has_its_rows(archive: ArchiveReader, name: str, rows: int) -> None:
    """Lines, documents, or none in a file without rows."""
    member = archive.member(name)
    block = member.blocks[0]._replace(rows=rows + 1)
    assert damages(MemberBlocks(archive, member, (block,), whole=False)) == [
        f"{place(member, 1)}: {rows} rows, its manifest says {rows + 1}"
    ]


def test_a_sampled_block_that_cannot_be_split(archive: ArchiveReader) -> None:
    """Rows that cannot be told apart are damage."""
    lines = archive.member("t.ndjson")
    member = msgspec.structs.replace(lines, table=None, collection="t")
    (found,) = damages(MemberBlocks(archive, member, lines.blocks[:1], whole=False))
    assert found.startswith(f"{place(lines, 1)}: a BSON document at byte 0 has an impossible")


def verification(sample: float | None = None, day: date = DAY, **more: Any) -> Verification:
    """A verification on that day, in this process."""
    executor = ThreadPoolExecutor(1)
    return Verification(
        more.pop("objects", SimpleNamespace(database_names=AS_DESCRIBED)),
        executor,
        example(),
        DailySample(sample, day),
        **more,
    )


def reading(archive: ArchiveReader | None) -> ArchiveReading:
    """An archive that was opened, or not."""
    return ArchiveReading("raw", "x", reader=archive)


def test_without_a_sample_everything_is_read(archive: ArchiveReader) -> None:
    """Every block and byte is counted, and told as it is read."""
    told: list[tuple[object, ...]] = []
    found = reading(archive)
    read_blocks(verification(progress=lambda *words: told.append(words)), found)
    assert found.check() == Check("raw", "x", "passed", 5, 5, archive.manifest.bytes)
    size = archive.manifest.bytes
    assert told[-1] == ("raw", size, size, "bytes")
    assert len(told) == 4


def test_a_sample_reads_every_block_on_one_of_its_days(archive: ArchiveReader) -> None:
    """And each day's damage is that day's: 3 days for 5 blocks."""
    offsets = [b.offset + b.length - 1 for m in archive.manifest.members for b in m.blocks]
    bad = damaged(archive, *offsets)
    days: list[list[str]] = []
    for n in range(3):
        found = reading(bad)
        read_blocks(verification(34, DAY + timedelta(n)), found)
        assert (found.status, found.total, found.checked) == ("failed", 5, len(found.problems))
        days.append([problem.partition(" (")[0] for problem in found.problems])
    assert sorted(map(len, days)) == [1, 2, 2]
    assert sorted(text for day in days for text in day) == [
        "c.bson, block 1 of 1", "schema.sql, block 1 of 1",
        *(f"t.ndjson, block {n} of 3" for n in (1, 2, 3)),
    ]  # fmt: skip


def test_a_sample_reads_its_blocks_alone(archive: ArchiveReader) -> None:
    """Each has its digest; the fingerprint of a file is for who reads all of it."""
    members = [
        msgspec.structs.replace(member, fingerprint="9:" + "0" * 32)
        for member in archive.manifest.members
    ]
    manifest = msgspec.structs.replace(archive.manifest, members=tuple(members))
    archive._index = replace(archive._index, manifest=manifest)
    sampled, all_ = reading(archive), reading(archive)
    read_blocks(verification(34), sampled)
    assert sampled.problems == []
    read_blocks(verification(), all_)
    assert len(all_.problems) == len(members)


@pytest.mark.parametrize("sample", [None, 50.0])
def test_what_tar_would_find_wrong_is_told(tmp_path: Path, sample: float | None) -> None:
    """When the archive is opened; its blocks are read nevertheless."""
    data, manifest = built(tmp_path, schema=SCHEMA)
    changed = bytearray(data)
    changed[manifest.members[0].blocks[0].offset - 1] ^= 1
    objects = SimpleNamespace(
        uri=lambda key: key,
        open=lambda _: MemoryBytes(bytes(changed)),
        database_names=AS_DESCRIBED,
    )
    metadata = example(str(VERSION))
    raw = msgspec.structs.replace(
        metadata.exports.raw, size_bytes=len(data), sha256=sha256(changed).hexdigest()
    )
    exports = msgspec.structs.replace(metadata.exports, raw=raw)
    run = replace(
        verification(sample, objects=objects),
        metadata=msgspec.structs.replace(metadata, exports=exports),
    )
    found = open_archive(run, "raw")
    assert (found.status, len(found.problems)) == ("failed", 1)
    read_blocks(run, found)
    assert found.checked > 0
    assert len(found.problems) == 1


def test_what_cannot_be_opened_is_not_read(archive: ArchiveReader) -> None:
    """Its problem stays, and there is no manifest."""
    closed = reading(None)
    closed.add(DamagedInput("cut short"))
    read_blocks(verification(), closed)
    assert (closed.problems, closed.total) == (["cut short"], 0)
    with pytest.raises(DamagedInput, match="cut short"):
        closed.required()
    assert closed.manifest is None
    opened = reading(archive)
    assert opened.required() is opened.reader


@pytest.mark.parametrize(
    ("status", "checked", "total", "outcome"),
    [
        ("passed", 3, 3, "passed"),
        ("passed", 0, 0, "passed"),
        ("passed", 0, 3, "not checked"),
        ("failed", 0, 3, "failed"),
        ("unknown", 0, 3, "unknown"),
        ("absent", 0, 3, "absent"),
    ],
)
def test_a_part_of_which_nothing_was_read_has_not_passed(
    status: Outcome, checked: int, total: int, outcome: Outcome
) -> None:
    """Though nothing is wrong with it; what is absent names no problem."""
    found = StoreReading("mongodb", "x", status, ["why"], checked, total, 9)
    findings = () if status == "absent" else ("why",)
    assert found.check() == Check("mongodb", "x", outcome, checked, total, 9, findings)


def test_the_worst_problem_decides() -> None:
    """And all of them are told; a wrong setting is raised again."""
    found = StoreReading("raw", "x")
    assert (found.check().outcome, found.problem) == ("passed", "")
    for problem, status in (
        (Unreachable("no answer"), "unknown"),
        (CheckFailed("differs"), "failed"),
        (Unreachable("again"), "failed"),
    ):
        found.add(problem)
        assert found.status == status
    assert found.problem == "no answer; differs; again"
    with pytest.raises(Misuse):
        found.add(Misuse("a wrong URL"))


@pytest.mark.parametrize("sample", [None, 50.0])
@pytest.mark.parametrize("wrong", [set(), {"size"}, {"digest"}, {"version"}])
def test_an_archive_is_what_the_metadata_says(
    tmp_path: Path, sample: float | None, wrong: set[str]
) -> None:
    """Its size and version, and its SHA-256 unless it is sampled."""
    data, _ = built(tmp_path, schema=SCHEMA)
    objects = SimpleNamespace(
        uri=lambda key: key, open=lambda _: MemoryBytes(data), database_names=AS_DESCRIBED
    )
    version = "20250622-143000" if "version" in wrong else str(VERSION)
    plain = example(version)
    raw = msgspec.structs.replace(
        plain.exports.raw,
        size_bytes=len(data) + ("size" in wrong),
        sha256="0" * 64 if "digest" in wrong else sha256(data).hexdigest(),
    )
    metadata = msgspec.structs.replace(
        plain, exports=msgspec.structs.replace(plain.exports, raw=raw)
    )
    run = replace(verification(sample, objects=objects), metadata=metadata)
    found = open_archive(run, "raw")
    said = {"size": "its metadata says", "digest": "SHA-256", "version": "20250622-143000"}
    seen = wrong - ({"digest"} if sample else set())
    assert [next(k for k, words in said.items() if words in p) for p in found.problems] == [*seen]
    assert found.status == ("failed" if seen else "passed")


def opened(data: bytes, kind: VersionArchive = "raw") -> ArchiveReading:
    """These bytes as the archive of a version whose metadata has their size."""
    objects = SimpleNamespace(
        uri=lambda key: key, open=lambda _: MemoryBytes(data), database_names=AS_DESCRIBED
    )
    plain = example(str(VERSION))
    found = msgspec.structs.replace(plain.exports.by_archive[kind], size_bytes=len(data))
    exports = msgspec.structs.replace(plain.exports, **{kind: found})
    metadata = msgspec.structs.replace(plain, exports=exports)
    return open_archive(replace(verification(50, objects=objects), metadata=metadata), kind)


@pytest.mark.parametrize("kind", ["raw", "transformed"])
def test_a_raw_archive_has_its_schema(tmp_path: Path, kind: ArchiveKind) -> None:
    """One of documents has none."""
    sink = io.BytesIO()
    ArchiveWriter(sink, kind, VERSION).finish()
    found = opened(sink.getvalue(), cast(VersionArchive, kind))
    assert (found.status == "passed") == (kind == "transformed")
    assert all("schema.json" in problem for problem in found.problems)


@pytest.mark.parametrize(
    ("name", "of", "is_right"),
    [
        ("t.ndjson", {"table": "t"}, True),
        ("a%2Fb.ndjson", {"table": "a/b"}, True),
        ("t.ndjson", {"table": "u"}, False),
        ("t.bson", {"table": "t"}, False),
        ("x/c.bson", {"collection": "c"}, True),
        ("x/c.bson", {"collection": "d"}, False),
        ("c.ndjson", {"collection": "c"}, False),
    ],
)
def test_a_file_has_the_rows_of_its_name(name: str, of: dict[str, str], is_right: bool) -> None:
    """What is unpacked is otherwise read as another table or collection."""
    sink = io.BytesIO()
    writer = ArchiveWriter(sink, "transformed", VERSION)
    writer.add_rows(name, [], **of)
    writer.finish()
    says = f"{name}: its manifest says that it holds rows of something else"
    assert opened(sink.getvalue(), "transformed").problems == ([] if is_right else [says])


class Documents:
    """A document store of one database; a marker and collections as they are given."""

    database_names = AS_DESCRIBED

    def __init__(
        self,
        names: Sequence[str],
        *,
        marker: bool = True,
        exists: bool = True,
        down: bool = False,
        busy: bool = False,
        load: str = "",
    ) -> None:
        self._names, self._marker, self._exists, self._down = names, marker, exists, down
        self._busy, self._load = busy, load

    def collections(self, _: str) -> list[SimpleNamespace]:
        """All of them."""
        if self._down:
            raise Unreachable("no answer")
        return [SimpleNamespace(name=name) for name in self._names]

    def exists(self, _: str) -> bool:
        """Whether the database is there."""
        return self._exists

    def is_busy(self, _: str) -> bool:
        """Whether a load is under way."""
        return self._busy

    def marker(self, _: str) -> dict[str, object] | None:
        """What the load wrote last."""
        if self._down:
            raise Unreachable("no answer")
        one = {"a": 1, "b": 1}
        prints = {name: f"1:{name * 32}" for name in one}
        found = {"documents": one, "fingerprints": prints, "bytes": one, "load": self._load}
        return found if self._marker else None


@pytest.mark.parametrize(
    ("documents", "outcome", "says"),
    [
        (Documents("ab"), "passed", ""),
        (Documents("ab", marker=False), "failed", "has no marker"),
        (Documents("ab", marker=False, busy=True), "unknown", "is being loaded or removed"),
        (Documents("ab", marker=False, exists=False), "absent", "does not exist"),
        (Documents("ab", down=True), "unknown", "no answer"),
        (None, "unknown", "MEDIATOOL_MONGODB_URL is not set"),
    ],
)
def test_a_database_as_it_is_found(
    documents: Documents | None, outcome: Outcome, says: str
) -> None:
    """Complete, without its marker, not there, or not to be asked."""
    found = open_mongodb(verification(), cast(DocumentStore, documents))
    assert found is not None
    assert found.status == outcome
    assert says in found.problem
    assert (found.marker is not None) == (outcome == "passed")


def without(run: Verification, **none: None) -> Verification:
    """The verification of a version that was made without these databases."""
    made = msgspec.structs.replace(run.metadata.databases_created, **none)
    return replace(run, metadata=msgspec.structs.replace(run.metadata, databases_created=made))


@pytest.mark.parametrize(
    ("documents", "outcome"),
    [
        (None, None),
        (Documents("ab", marker=False, exists=False), None),
        (Documents("ab"), "passed"),
        (Documents("ab", marker=False), "failed"),
        (Documents("ab", down=True), "unknown"),
    ],
)
def test_a_database_that_was_loaded_later(
    documents: Documents | None, outcome: Outcome | None
) -> None:
    """A version without MongoDB has none to verify, unless somebody loaded it."""
    run = without(verification(), mongodb=None)
    found = open_mongodb(run, cast(DocumentStore, documents))
    assert (found and found.status) == outcome


@pytest.mark.parametrize(
    ("now", "outcome", "checked"),
    [
        (Documents("ab", load="one"), "failed", 2),
        (Documents("ab", load="other"), "unknown", 0),
        (Documents("ab", marker=False), "unknown", 0),
        (Documents("ab", marker=False, exists=False), "absent", 0),
        (Documents("ab", down=True), "unknown", 0),
    ],
)
def test_a_database_that_was_replaced_meanwhile(
    now: Documents, outcome: Outcome, checked: int
) -> None:
    """What was found of it is forgotten; the failure of the one that is still there counts."""
    found = MongoReading("mongodb", "x", marker=replace(_loaded("ab"), load="one"))
    found.add("a: gone")
    found.checked = found.total = found.bytes = 2
    look_again(verification(), found, cast(DocumentStore, now))
    assert (found.status, found.checked, found.total, found.bytes) == (outcome, *[checked] * 3)
    says = {"failed": "a: gone", "absent": "does not exist", "unknown": "it was replaced while"}
    assert says[outcome] in found.problem
    assert len(found.problems) == 1


@dataclass(frozen=True)
class Target:
    """A server of restored databases with this one, or none; it has these tables."""

    comment: Marker | None = None
    there: bool = True
    down: bool = False
    tables: Sequence[str] = ()

    def marker(self, _: str) -> Marker | None:
        """What the restore wrote last."""
        if self.down:
            raise Unreachable("no answer")
        return self.comment

    def exists(self, _: str) -> bool:
        """Whether the database is there."""
        return self.there

    def database(self, _: str, schema: str) -> SimpleNamespace:
        """The database, to be read in a snapshot."""
        if self.down:
            raise Unreachable("no answer")
        tables = tuple(table(name, id="integer") for name in self.tables)
        snapshot = SimpleNamespace(schema=Schema(schema, tables))
        return SimpleNamespace(snapshot=lambda: nullcontext(snapshot))


def restored(
    monkeypatch: pytest.MonkeyPatch,
    target: Target,
    rows: str,
    *,
    sample: float | None = None,
    **marker: Any,
) -> PostgresReading:
    """What is found of a database with such a row in each table.

    The archive has tables ``a`` and ``b`` with a row each; the rows of ``c`` were left out.
    """

    def reread(_: object, __: object, tables: Sequence[Table], ___: object) -> object:
        return {t.name: _print(c) for t, c in zip(tables, rows, strict=False)}

    monkeypatch.setattr(databases, "reread_tables", reread)
    members = [Member(f"{n}.ndjson", 1, 5, (), fingerprint=str(_print(n)), table=n) for n in "ab"]
    exclusions = (Exclusion("c", "too large", 1),)
    manifest = Manifest(FORMAT, "raw", str(VERSION), tuple(members), exclusions=exclusions)
    schema = Schema("media_tool", tuple(table(name, id="integer") for name in "abc"))
    reader = SimpleNamespace(manifest=manifest, schema=lambda: schema)
    given = Marker(str(VERSION), complete=True, rows=2, content=content_of(manifest))
    found = PostgresReading("postgres", "x", marker=msgspec.structs.replace(given, **marker))
    archive = ArchiveReading("raw", "y", reader=cast(ArchiveReader, reader))
    databases.read_postgres(verification(sample), found, cast(RestoreTarget, target), archive)
    return found


@pytest.mark.parametrize(
    ("tables", "content", "marker", "problems", "checked"),
    [
        ("abc", "abc", {}, [], 2),
        ("ab", "ab", {"content": ""}, [], 2),
        ("abcx", "ab", {}, ["x: not in the archive"], 2),
        ("a", "a", {}, ["b: gone"], 2),
        ("ab", "ad", {}, ["b: 1 rows, fingerprint 1:d"], 2),
        ("a", "a", {"tables": ("a",)}, [], 1),
        ("a", "a", {"tables": ("a", "c")}, [], 1),
        ("ab", "ab", {"content": "0"}, ["its marker does not match "], 2),
        ("ab", "ab", {"version": "20250622-143000"}, ["its marker does not match "], 2),
    ],
)
def test_a_restored_database_has_the_tables_of_the_archive(
    monkeypatch: pytest.MonkeyPatch,
    tables: str,
    content: str,
    marker: dict[str, Any],
    problems: list[str],
    checked: int,
) -> None:
    """All of them, or the part that was restored, each with the fingerprint of its rows."""
    found = restored(monkeypatch, Target(tables=tables), content, **marker)
    assert [problem[:26] for problem in found.problems] == problems
    assert found.status == ("failed" if problems else "passed")
    assert (found.checked, found.total, found.bytes) == (checked, checked, 5 * checked)


def test_a_sample_of_a_restored_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of its tables, each whole; none where nothing can be compared."""
    read = "ab"[DAY.toordinal() % 2]
    found = restored(monkeypatch, Target(tables="ab"), read, sample=50)
    assert (found.status, found.checked, found.total) == ("passed", 1, 2)
    found = restored(monkeypatch, Target(down=True), "ab")
    assert (found.status, found.problem, found.total) == ("unknown", "no answer", 0)
    target = cast(RestoreTarget, Target())
    marker = Marker(str(VERSION), complete=True, rows=1)
    for given, status in ((None, "passed"), (marker, "unknown")):
        found = PostgresReading("postgres", "x", marker=given)
        databases.read_postgres(verification(), found, target, reading(None))
        assert (found.status, found.total) == (status, 0)


def test_a_restored_database_is_read_in_two_tries() -> None:
    """A restore that replaced it ended the first; the error of the second counts."""
    answers: list[Exception | int] = [Unreachable("one"), 7, Unreachable("two"), Unreachable("3")]

    def read() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert in_two_tries(read) == 7
    with pytest.raises(Unreachable, match="3"):
        in_two_tries(read)


@pytest.mark.parametrize(
    ("target", "outcome", "is_reported"),
    [
        (Target(Marker(str(VERSION), complete=True, rows=6)), "passed", True),
        (Target(None), "failed", True),
        (Target(None, down=True), "unknown", True),
        (Target(None, there=False), "absent", False),
    ],
)
def test_a_restored_database_as_it_is_found(
    target: Target, outcome: Outcome, is_reported: bool
) -> None:
    """Of a version that was made without one, only what somebody restored later."""
    run = verification()
    found = open_postgres(run, cast(RestoreTarget, target))
    assert found is not None
    assert (found.status, found.marker) == (outcome, target.comment)
    found = open_postgres(without(run, postgres=None), cast(RestoreTarget, target))
    assert (found and found.status) == (outcome if is_reported else None)


@pytest.mark.parametrize("named", [None, "media_tool_20250621-143000"])
def test_a_restored_database_without_a_server(named: str | None) -> None:
    """Unknown where the metadata names one; where it names none there is nothing to verify."""
    run = verification()
    made = msgspec.structs.replace(run.metadata.databases_created, postgres=named)
    run = replace(run, metadata=msgspec.structs.replace(run.metadata, databases_created=made))
    found = open_postgres(run, None)
    assert (found and (found.status, found.problem)) == (
        named and ("unknown", "MEDIATOOL_RESTORE_POSTGRES_URL is not set")
    )


def manifest_of(*names: str) -> Manifest:
    """The transformed archive of collections of one document each."""
    members = (
        Member(f"{n}.bson", 1, 5, (), fingerprint=str(_print(n)), collection=n) for n in names
    )
    return Manifest(FORMAT, "transformed", str(VERSION), tuple(members))


def _print(name: str) -> Fingerprint:
    return Fingerprint.parse(f"1:{name * 32}")


@pytest.mark.parametrize(
    ("there", "content", "sample", "problems", "checked"),
    [
        ("ab", "ab", None, [], 2),
        ("abx", "ab", None, ["x: not in the archive"], 2),
        ("b", "b", None, ["a: gone"], 2),
        ("ab", "ac", None, ["b: 1 rows, fingerprint 1:c"], 2),
        ("ab", "ab", 50, [], 1),
    ],
)
def test_a_database_has_the_collections_of_the_archive(
    monkeypatch: pytest.MonkeyPatch,
    there: str,
    content: str,
    sample: float | None,
    problems: list[str],
    checked: int,
) -> None:
    """No other, none missing, and each with the fingerprint of its documents."""

    def reread(
        _: object, __: object, ___: str, members: Any, ____: object
    ) -> dict[str, Fingerprint]:
        return {n: _print(c) for n, c in zip(there, content, strict=False) if n in members}

    monkeypatch.setattr(databases, "reread_collections", reread)
    found = MongoReading("mongodb", "x", marker=_loaded("ab"))
    documents = cast(DocumentStore, Documents(there))
    read_mongodb(verification(sample), found, documents, manifest_of("a", "b"))
    assert [p[:26] for p in found.problems] == problems
    assert (found.checked, found.total, found.bytes) == (checked, 2, 5 * checked)
    assert found.status == ("failed" if problems else "passed")


def _loaded(names: str) -> Loaded:
    one, five = dict.fromkeys(names, 1), dict.fromkeys(names, 5)
    return Loaded("x", one, {n: str(_print(n)) for n in names}, five)


@pytest.mark.parametrize(
    ("content", "load", "outcome"),
    [("d", "", "failed"), ("d", "other", "unknown"), ("a", "other", "passed")],
)
def test_a_failure_is_looked_at_again(
    monkeypatch: pytest.MonkeyPatch, content: str, load: str, outcome: Outcome
) -> None:
    """One of a database that was replaced meanwhile is none; what passed is not looked at."""
    monkeypatch.setattr(databases, "reread_collections", lambda *_: {"a": _print(content)})
    found = MongoReading("mongodb", "x", marker=_loaded("a"))
    documents = cast(DocumentStore, Documents("a", load=load))
    read_mongodb(verification(), found, documents, manifest_of("a"))
    assert found.status == outcome


@pytest.mark.parametrize(
    ("trust", "digest", "status", "problems"),
    [
        (SignaturePolicy(), "d", "signed", None),
        (SignaturePolicy((TrustedKey(KEY.public),)), "d", "signed and trusted", []),
        (
            SignaturePolicy((TrustedKey(KEY.public),)),
            "e",
            "signed and trusted",
            ["forged: the raw archive is not the one that was signed"],
        ),
        (
            SignaturePolicy((TrustedKey(SigningKey(bytes(32)).public),)),
            "d",
            "unknown key",
            [f"unknown key: key {KEY.public.id} is not one of the trusted keys"],
        ),
    ],
)
def test_the_signature_of_a_version(
    tmp_path: Path, trust: SignaturePolicy, digest: str, status: str, problems: list[str] | None
) -> None:
    """It covers the digests of the archives; without trusted keys it is not judged."""
    objects = DirectoryObjects(tmp_path, signature_policy=trust)
    metadata = example(str(VERSION))
    raw = msgspec.structs.replace(metadata.exports.raw, digest="d")
    exports = msgspec.structs.replace(metadata.exports, raw=raw)
    metadata = msgspec.structs.replace(metadata, exports=exports)
    proof = append_version(objects, KEY, metadata)
    metadata = msgspec.structs.replace(metadata, proof=proof)
    objects.put(metadata_key(VERSION), metadata.to_json())
    reader = cast(ArchiveReader, SimpleNamespace(digest=digest))
    archives: dict[VersionArchive, ArchiveReading] = {
        "raw": ArchiveReading("raw", "x", reader=reader),
        "dump": ArchiveReading("dump", "x"),
    }
    run = verification(objects=objects)
    found, signed = read_signature(run, archives)
    assert found.status == status
    assert (signed and signed.problems) == problems
    assert signed is None or (signed.checked, signed.total) == (1, 1)


def test_the_chain_of_a_version(tmp_path: Path) -> None:
    """Its entries are counted; every finding is a failure, and so is what cannot be read."""
    objects = DirectoryObjects(
        tmp_path, signature_policy=SignaturePolicy((TrustedKey(KEY.public),))
    )
    for day in (21, 22):
        append_version(objects, KEY, example(f"202506{day}-143000"))
    run = verification(objects=objects)
    found = read_chain(run, BEGINNING)
    assert (found.status, found.checked, found.total) == ("failed", 2, 2)
    assert len(found.problems) == 2
    found = read_chain(verification(objects=DirectoryObjects(tmp_path)), BEGINNING)
    assert found.status != "passed"


def test_a_database_that_cannot_be_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a marker or a manifest nothing is read; another archive's marker is told."""
    monkeypatch.setattr(databases, "reread_collections", lambda *_: {"a": _print("a")})
    bare = MongoReading("mongodb", "x")
    read_mongodb(verification(), bare, cast(DocumentStore, Documents("a")), manifest_of("a"))
    assert (bare.status, bare.problems, bare.total) == ("passed", [], 0)
    lost = MongoReading("mongodb", "x", marker=_loaded("a"))
    read_mongodb(verification(), lost, cast(DocumentStore, Documents("a")), None)
    assert (lost.status, lost.total) == ("unknown", 0)
    down = MongoReading("mongodb", "x", marker=_loaded("a"))
    documents = cast(DocumentStore, Documents("a", down=True))
    read_mongodb(verification(), down, documents, manifest_of("a"))
    assert (down.status, down.problem, down.total) == ("unknown", "no answer", 0)
    other = MongoReading("mongodb", "x", marker=_loaded("b"))
    read_mongodb(verification(), other, cast(DocumentStore, Documents("a")), manifest_of("a"))
    assert other.problems == ["its marker does not match the transformed archive"]
