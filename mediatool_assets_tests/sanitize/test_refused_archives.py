"""Archives whose rows no schema describes are refused."""

import pytest

from mediatool_assets.archive.reader import LocalFile
from mediatool_assets.archive.writer import ArchiveWriter, spool_rows
from mediatool_assets.core import schema
from mediatool_assets.core.errors import BadArchive
from mediatool_assets.core.version import archive_key
from mediatool_assets.sanitize.flow import LocalFolder, Sanitizing, sanitize
from mediatool_assets.sanitize.rules_file import load_rules
from mediatool_assets_tests.fixtures.sanitizing_bench import KEY, RULES, TABLES, USERS, Bench, user
from mediatool_assets_tests.raw_archives import VERSION
from mediatool_assets_tests.transformed import transformed


def test_a_row_with_a_column_of_its_own_is_refused(bench: Bench) -> None:
    """What schema.json does not know, no rule covers; the value is not in the message."""
    with pytest.raises(BadArchive, match=r"a row of users does not match schema\.json") as caught:
        bench.run({**TABLES, USERS: [{**user(1), "extra": "Ada"}]})
    assert "Ada" not in str(caught.value)
    assert bench.left == []


def test_only_raw_archives_are_taken(bench: Bench) -> None:
    """A transformed archive has no columns, and is refused."""
    transformed(bench.objects, VERSION, {"users": []}, facts={})
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    with pytest.raises(BadArchive, match="is a transformed archive"):
        sanitize(
            bench.objects.open(archive_key("transformed", VERSION)),
            LocalFolder(bench.folder),
            "out.tar.gz",
            bench.pool,
            Sanitizing(load_rules(rules), KEY),
        )


def test_rows_that_no_schema_describes_are_refused(bench: Bench) -> None:
    """A member beside the schema would have no rules, and is not passed on."""
    path = bench.scratch / "odd.yaml"
    with path.open("wb") as file:
        writer = ArchiveWriter(file, "raw", VERSION)
        spooled = spool_rows(bench.scratch / "spool", [[b'{"name":"Ada"}']])
        writer.add_rows("people.ndjson", [spooled], table="people")
        writer.add_file("schema.json", schema.Schema("media_tool", (USERS,)).to_json())
        writer.finish()
    rules = bench.scratch / "rules.yaml"
    rules.write_text(RULES)
    with pytest.raises(BadArchive, match=r"has rows of people, which schema\.json does not list"):
        sanitize(
            LocalFile(path),
            LocalFolder(bench.folder),
            "out.tar.gz",
            bench.pool,
            Sanitizing(load_rules(rules), KEY),
        )
    assert bench.left == []
