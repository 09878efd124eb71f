"""Every defect planted in an archive is found, also where the archive agrees with itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mediatool_assets.core.version import Kind
from mediatool_assets.integrity.plan import Area
from mediatool_assets_tests.fixtures.complete_version import Made, areas, failed, key
from mediatool_assets_tests.planting import rewritten, with_member


@contextmanager
def edited(made: Made, kind: Kind) -> Iterator[Path]:
    """A file that may be spoilt, and is put back."""
    path = made.path(kind)
    data, mode = path.read_bytes(), path.stat().st_mode
    path.chmod(0o600)
    yield path
    path.write_bytes(data)
    path.chmod(mode)


def test_a_truncated_dump_is_found(made: Made) -> None:
    """Nothing is known of its collections, which is not passed; all else still is."""
    with edited(made, "dump") as path:
        path.write_bytes(path.read_bytes()[:-100])
        found = made.report()
    assert failed(found, "stores").keys() == {"dump"}
    unknown = [line for line in found.lines if line.outcome == "unknown"]
    assert {line.area for line in unknown} == {"counts", "fingerprints"}
    assert all("cut short" in line.reason for line in unknown)
    assert areas(found) == {"stores", "counts", "fingerprints"}


@pytest.mark.parametrize(
    ("kind", "areas_unknown", "areas_passed"),
    [
        (
            "raw",
            {"values", "losses", "copies", "references", "soft deletes", "duplicates", "structure"},
            set(),
        ),
        ("transformed", {"losses", "references", "structure"}, {"values", "copies", "duplicates"}),
    ],
)
def test_what_depends_on_an_unreadable_archive_is_unknown(
    made: Made, kind: Kind, areas_unknown: set[Area], areas_passed: set[Area]
) -> None:
    """One line has failed, that of the archive: nothing else is known to be wrong."""
    with edited(made, kind) as path:
        path.write_bytes(path.read_bytes()[:-100])
        found = made.report()
    assert [(x.area, x.thing) for x in found.lines if x.outcome == "failed"] == [("stores", kind)]
    unknown = {line.area for line in found.lines if line.outcome == "unknown"}
    present = {line.area for line in found.lines}
    assert unknown == (areas_unknown & present) | {"counts", "fingerprints"} | (
        {"stores"} if kind == "raw" else set()  # the restored database's
    )
    assert {x.area for x in found.lines if x.outcome == "passed"} >= areas_passed


def test_what_depends_on_a_damaged_table_is_unknown(made: Made) -> None:
    """Its count and its fingerprint fail; its values and losses are not known to be wrong."""
    member = made.reader("raw").manifest.tables()["campaigns_history"]
    with edited(made, "raw") as path:
        data = bytearray(path.read_bytes())
        at = member.blocks[0].offset + member.blocks[0].length // 2
        data[at : at + 3] = b"\xff\x00\xff"
        path.write_bytes(data)
        found = made.report()
    failed_lines = {(line.area, line.thing) for line in found.lines if line.outcome == "failed"}
    assert failed_lines == {
        ("stores", "raw"),
        ("counts", "campaigns_history"),
        ("fingerprints", "campaigns_history"),
    }
    unknown = {line.area for line in found.lines if line.outcome == "unknown"}
    assert {"values", "losses"} <= unknown


def test_a_damaged_block_of_a_dump_is_found(made: Made) -> None:
    """Its collection is named."""
    member = made.reader("dump").manifest.collections()["teams"]
    with edited(made, "dump") as path:
        data = bytearray(path.read_bytes())
        at = member.blocks[0].offset + member.blocks[0].length // 2
        data[at : at + 3] = b"\xff\x00\xff"
        path.write_bytes(data)
        found = made.report()
    assert failed(found, "fingerprints").keys() == {"teams"}


@pytest.mark.parametrize("kind", ["raw", "transformed", "dump"])
@pytest.mark.parametrize(
    ("edit", "area"),
    [
        ({"fingerprint": f"1:{1:032x}"}, "fingerprints"),
        ({"rows": 1_000_000}, "stores"),  # which its own blocks contradict
    ],
)
def test_an_edited_manifest_is_found(
    made: Made, kind: Kind, edit: dict[str, Any], area: Area
) -> None:
    """What was changed is named; and the SHA-256 tells that something was."""
    with edited(made, kind) as path:
        with_member(path, "teams", **edit)
        found = made.report()
    assert failed(found, "stores").keys() == {kind}
    assert any("teams" in x.thing or "teams" in x.reason for x in failed(found, area).values())


def test_a_row_lost_in_the_archive_is_named(made: Made) -> None:
    """Though the archive agrees with itself: by the count, by MongoDB, and by who refers to it."""
    lines = made.rows("channels")
    lost = msgspec.json.decode(lines[0])["id"]
    with edited(made, "raw") as path:
        rewritten(path, "channels", lines[1:])
        found = made.report()
    assert failed(found, "counts")["channels"].figures["source"] == len(lines)
    for thing in ("channels", "channels in PostgreSQL"):
        [defect] = failed(found, "values")[thing].defects
        assert (defect.what, key(defect)) == ("surplus", {"id": lost})
    assert "tactics.channel_id -> channels.id" in failed(found, "references")
    assert failed(found, "copies")


def test_a_table_that_is_emptied_in_the_archive_is_found(made: Made) -> None:
    """Also where the count was made to agree: documents and restored rows are left over."""
    rows = len(made.rows("accounts"))
    with edited(made, "raw") as path:
        rewritten(path, "accounts", [], counted=0)
        found = made.report()
    assert failed(found, "counts")["accounts"].figures["metadata"] == rows
    assert failed(found, "values")["accounts"].figures["surplus"] == rows


def test_a_doubled_row_in_the_archive_is_named(made: Made) -> None:
    """Its key stands twice."""
    lines = made.rows("users")
    doubled = msgspec.json.decode(lines[0])["id"]
    with edited(made, "raw") as path:
        rewritten(path, "users", [*lines, lines[0]])
        found = made.report()
    line = failed(found, "duplicates")["users.id"]
    assert [key(defect) for defect in line.defects] == [{"id": doubled}]
    assert failed(found, "counts").keys() == {"users"}


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.report().verdict == "passed"
