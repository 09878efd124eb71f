"""What is published: an archive like any other, its reports beside it, and nothing written over."""

import json
import re
from dataclasses import replace

import pytest

from mediatool_assets.archive.reader import ArchiveReader, LocalFile
from mediatool_assets.core.errors import AlreadyExists
from mediatool_assets.core.schema import Schema
from mediatool_assets.core.signing import MaskingKey
from mediatool_assets.core.version import archive_key
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, free_names, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets_tests.fixtures.sanitizing_bench import (
    KEY,
    NEXT_DAY,
    RULES,
    SECRET,
    TABLES,
    Bench,
)
from mediatool_assets_tests.raw_archives import VERSION, raw_archive


def test_the_copy_is_an_archive_like_any_other(bench: Bench) -> None:
    """Rows, schema and key columns are as before; the manifest says what was done, not how."""
    published = bench.run()
    manifest = ArchiveReader(LocalFile(bench.folder / "out.tar.gz")).manifest
    raw = ArchiveReader(bench.objects.open(archive_key("raw", VERSION)))
    assert (manifest.kind, manifest.version) == ("sanitized", str(VERSION))
    assert [(m.name, m.rows) for m in manifest.members] == [
        (m.name, m.rows) for m in raw.manifest.members
    ]
    copy = ArchiveReader(LocalFile(bench.folder / "out.tar.gz"))
    assert copy.read_file("schema.json") == raw.read_file("schema.json")
    assert manifest.facts["key_id"] == KEY.id
    assert manifest.facts["rules_sha256"] == published.report.rules_sha256
    assert manifest.facts["masked"] == {
        "noise 20": 10,
        "pseudonym crm": 70,
        "pseudonym email": 60,
        "pseudonym number": 70,
        "pseudonym person": 60,
        "pseudonym user": 100,
        "redact": 20,
    }


def test_the_report_has_the_proof_and_no_secret(bench: Bench) -> None:
    """JSON and HTML lie beside the archive; neither holds the key or an original."""
    published = bench.run()
    assert bench.left == ["out-report.html", "out-report.json", "out.tar.gz"]
    report = json.loads((bench.folder / "out-report.json").read_text())
    assert report["proof"]["leaks"] == []
    assert {k["kind"]: (k["before"], k["after"]) for k in report["proof"]["kinds"]} == {
        "crm": (50, 50),
        "email": (30, 30),
        "number": (30, 30),
        "person": (30, 30),
        "user": (40, 40),
    }
    assert {"table": "buys", "column": "spend", "rule": "noise 20",
            "masked": {"noise 20": 10}} in report["columns"]  # fmt: skip
    assert [g["smallest"] for g in report["proof"]["groups"]] == [1]
    assert published.report.proof.searched > 100
    for path in bench.folder.iterdir():
        text = path.read_bytes()
        for secret in (SECRET.hex().encode(), SECRET, b"Ashgrove", b"ada.1@", b"48761234567890"):
            assert secret not in text
    page = (bench.folder / "out-report.html").read_text()
    assert not re.search(r"https?://", page)
    assert "src=" not in page


def test_a_name_that_is_taken_stays(bench: Bench) -> None:
    """Neither an archive nor a report is written over."""
    bench.run()
    with pytest.raises(AlreadyExists, match=r"out\.tar\.gz already exists"):
        bench.again()
    (bench.folder / "out.tar.gz").unlink()
    with pytest.raises(AlreadyExists, match="report"):
        bench.run(version=NEXT_DAY)
    (bench.folder / "out-report.json").write_text("{}")
    with pytest.raises(AlreadyExists, match="report"):
        bench.again()


def test_an_archive_that_never_came_is_tried_again(bench: Bench) -> None:
    """The reports of a run whose archive could not appear do not stand in the next one's way."""

    def in_the_way(step: str, done: int, total: int, unit: str = "rows") -> None:
        del done, total, unit
        if step == "proof":
            (bench.folder / "out.tar.gz").touch()

    with pytest.raises(AlreadyExists, match=r"out\.tar\.gz"):
        replace(bench, pool=replace(bench.pool, progress=in_the_way)).run()
    (bench.folder / "out.tar.gz").unlink()
    assert bench.left == ["out-report.html", "out-report.json"]
    other = MaskingKey(SECRET[::-1])
    published = bench.again(key=other)
    report = json.loads((bench.folder / "out-report.json").read_text())
    assert report["key_id"] == published.report.key_id == other.id
    assert bench.left == ["out-report.html", "out-report.json", "out.tar.gz"]


def test_a_report_of_a_run_beside_is_not_written_over(bench: Bench) -> None:
    """What a run replaces is what it found when it began, and nothing that came after."""
    bench.run()
    (bench.folder / "out.tar.gz").unlink()
    place = LocalFolder(bench.folder)
    names = free_names(place, "out.tar.gz", str(VERSION))
    for name, tag in names.items():
        place.put(name, b"of another run", replacing=tag)
        with pytest.raises(AlreadyExists, match="report"):
            place.put(name, b"of this one", replacing=tag)
        assert place.get(name)[0] == b"of another run"


def test_empty_tables_are_tables(bench: Bench) -> None:
    """An archive without a row is sanitized into one without a row."""
    published = bench.run({table: [] for table in TABLES})
    assert published.report.rows == dict.fromkeys(
        ("buys", "campaigns", "users", "users_history"), 0
    )
    assert published.report.proof.findings == ()


def test_it_goes_into_a_bucket_too(bench: Bench) -> None:
    """An object store is a place as a folder is, its reports beside the archive."""
    raw_archive(bench.objects, TABLES)
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    key = archive_key("sanitized", VERSION)
    published = sanitize(
        bench.objects.open(archive_key("raw", VERSION)),
        bench.objects,
        key,
        bench.pool,
        Sanitizing(load_rules(rules), KEY),
    )
    assert published.uri == f"s3://twin/{key}"
    assert [info.key for info in bench.objects.list("postgres-exports/sanitized/")] == sorted(
        [key, *(uri.removeprefix("s3://twin/") for uri in published.reports)]
    )
    schema = ArchiveReader(bench.objects.open(key)).read_file("schema.json")
    assert Schema.from_json(schema).name == "media_tool"
