"""verify and the integrity report on damaged and forged archives of every kind.

The oracle is gzip and tarfile of the standard library: an archive of which they make something else
than what was written has failed, whatever its metadata says.
"""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import pytest

from mediatool_assets.core.authenticity import Verdict
from mediatool_assets.core.model import Model
from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.schema import Table
from mediatool_assets.core.setting_values import VersionArchive
from mediatool_assets.core.version import archive_key, metadata_key
from mediatool_assets.integrity.flow import integrity
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.stores.ports import Stores
from mediatool_assets.transform.flow import transform
from mediatool_assets.verify.flow import verify
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.damaged_streams import (
    UNPROVEN,
    damages,
    is_whole,
    manifest_of,
    parts,
    with_manifest,
)
from mediatool_assets_tests.finished import ACCOUNTS, EMPTY, REPS
from mediatool_assets_tests.metadata_examples import example
from mediatool_assets_tests.raw_archives import VERSION, raw_archive
from mediatool_assets_tests.twins import DirectoryObjects

UNREADABLE = (AssertionError, OSError, EOFError, ValueError, zlib.error, struct.error)
NOW = datetime(2026, 11, 23, 4, tzinfo=UTC)
KINDS: tuple[VersionArchive, ...] = ("raw", "transformed", "dump")
MODEL = """\
tables: {accounts: , reps: , teams: }
collections: {accounts: accounts, reps: reps, teams: teams}
"""


@dataclass(frozen=True)
class Shelf:
    """A version with three archives and metadata that fits to them, of which one is replaced."""

    objects: DirectoryObjects
    workspace: Workspace
    model: Model
    originals: dict[VersionArchive, bytes]

    def put(self, kind: VersionArchive, data: bytes, *, vouched: bool) -> None:
        """Replace an archive, and if ``vouched`` what the metadata has of it."""
        self._write(archive_key(kind, VERSION), data)
        said = json.loads(example(str(VERSION)).to_json())
        for each in KINDS:
            of = data if each == kind and vouched else self.originals[each]
            said["exports"][each] |= _facts(of)
        self._write(metadata_key(VERSION), json.dumps(said).encode())

    def verdict(self, sample: float | None = None) -> Verdict:
        """What verify says, of the archives alone."""
        return verify(Stores(self.objects, None), self.workspace, VERSION, sample=sample)

    def report(self) -> Integrity:
        """The integrity report, of the archives alone."""
        return integrity(Stores(self.objects, None), self.workspace, VERSION, self.model)

    def _write(self, key: str, data: bytes) -> None:
        path = self.objects.root / "objects" / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.write_bytes(data)


def _facts(data: bytes) -> dict[str, Any]:
    """What metadata has of an archive, computed as anybody would."""
    facts: dict[str, Any] = {"sha256": sha256(data).hexdigest(), "size_bytes": len(data)}
    try:
        number, _ = manifest_of(data)
        facts["digest"] = sha256(gzip.decompress(parts(data)[number])).hexdigest()
    except UNREADABLE:
        facts["digest"] = None
    return facts


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Read by two threads of this process."""
    folder = tmp_path_factory.mktemp("shelf")
    (folder / "scratch").mkdir()
    (folder / "model.yaml").write_text(MODEL)
    objects, model = DirectoryObjects(folder / "bucket"), load_model(folder / "model.yaml")
    rows: dict[Table, list[dict[str, Any]]] = {
        ACCOUNTS: [{"id": f"{i}", "name": "x" * i} for i in range(3)],
        REPS: [{"id": i} for i in range(5)],
        EMPTY: [],
    }
    raw_archive(objects, rows)
    with ThreadPoolExecutor(2) as executor:
        workspace = Workspace(executor, folder / "scratch", clock=lambda: NOW)
        transform(objects, workspace, VERSION, model)
        found: dict[VersionArchive, bytes] = {
            kind: (objects.root / "objects" / archive_key(kind, VERSION)).read_bytes()
            for kind in ("raw", "transformed")
        }
        number, said = manifest_of(found["transformed"])
        pieces = parts(found["transformed"])
        found["dump"] = with_manifest(pieces, number, said | {"kind": "dump"})
        made = Shelf(objects, workspace, model, found)
        for kind in KINDS:
            made.put(kind, found[kind], vouched=True)
        yield made


def outcome(verdict: Verdict, kind: VersionArchive) -> str:
    """What came of an archive."""
    return next(check.outcome for check in verdict.checks if check.part == kind)


def failed(report: Integrity) -> list[str]:
    """The lines that failed."""
    return [f"{line.area} {line.thing}" for line in report.lines if line.outcome == "failed"]


def test_what_was_written_passes(shelf: Shelf) -> None:
    """So that what the others end with is of what is wrong in them."""
    verdict = shelf.verdict()
    assert [outcome(verdict, kind) for kind in KINDS] == ["passed"] * 3, verdict
    assert failed(shelf.report()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_damage_fails(shelf: Shelf, kind: VersionArchive) -> None:
    """Cuts, flipped bits, moved parts, bombs, foreign files and lies; all others are read."""
    original = shelf.originals[kind]
    found = list(damages(original))
    assert len(found) > 200
    missed = []
    for damage in found:
        shelf.put(kind, damage.data, vouched=False)
        verdict = shelf.verdict()
        if outcome(verdict, kind) != "failed" or verdict.outcome != "failed":
            missed.append(damage.name)
        assert {outcome(verdict, other) for other in KINDS if other != kind} == {"passed"}
    shelf.put(kind, original, vouched=True)
    assert missed == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_damage_that_the_metadata_vouches_for_fails(shelf: Shelf, kind: VersionArchive) -> None:
    """Whoever can write to the bucket computes all digests again: what was written is not there.

    But for what a manifest says of where its rows come from, which only a signature proves. Each
    kind of archive is tried with a third of the damages.
    """
    original, missed = shelf.originals[kind], []
    for damage in list(damages(original))[KINDS.index(kind) :: len(KINDS)]:
        shelf.put(kind, damage.data, vouched=True)
        if is_whole(damage.data, original) or damage.claims in UNPROVEN:
            assert outcome(shelf.verdict(), kind) in ("passed", "failed")
        elif outcome(shelf.verdict(), kind) != "failed":
            missed.append(damage.name)
    shelf.put(kind, original, vouched=True)
    assert missed == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_integrity_report_fails_too(shelf: Shelf, kind: VersionArchive) -> None:
    """Of every ninth damage, others for each kind; what cannot be read is a line, never a crash."""
    original, missed = shelf.originals[kind], []
    for damage in list(damages(original))[3 * KINDS.index(kind) :: 9]:
        shelf.put(kind, damage.data, vouched=True)
        if is_whole(damage.data, original) or damage.claims in UNPROVEN:
            continue
        if not failed(shelf.report()):
            missed.append(damage.name)
    shelf.put(kind, original, vouched=True)
    assert missed == []


def test_another_manifest_is_found_by_a_sample(shelf: Shelf) -> None:
    """The digest of the archive is compared each day, whatever else the day's sample reads."""
    number, said = manifest_of(shelf.originals["raw"])
    changed = said | {"warnings": ["nothing to see here"]}
    shelf.put("raw", with_manifest(parts(shelf.originals["raw"]), number, changed), vouched=False)
    [raw] = [check for check in shelf.verdict(sample=1).checks if check.part == "raw"]
    assert "it does not have the digest that its metadata gives" in raw.findings
    shelf.put("raw", shelf.originals["raw"], vouched=True)
