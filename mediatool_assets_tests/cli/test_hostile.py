"""Hostile and broken archives, models and rules: exit 3, a line or two, and nothing written."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.hostile import (
    BYTES,
    CONTENT,
    DRAFTS,
    MANIFESTS,
    USER,
    USER_TAR,
    File,
    build,
    cuts,
    raw,
)

pytestmark = pytest.mark.usefixtures("as_any_other_process")

KEY = bytes(i * 37 % 256 for i in range(32)).hex()
RULES = """
kinds: {person: person}
tables:
  users: {id: keep, name: pseudonym person}
  teams: {id: keep, name: redact}
"""
MORE = {
    "an amount that is a word": "more: noise 20",
    "a number that no double holds": "more: keep",
}
"""Rules for what only these archives have."""
MODEL = "tables: {users: [id], teams: [id]}\ncollections: {users: users, teams: teams}\n"


@pytest.fixture
def bench(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No server, a key, rules and a model for two small tables, and nothing else."""
    (nowhere / "rules.yaml").write_text(RULES)
    (nowhere / "model.yaml").write_text(MODEL)
    (nowhere / "good.tar.gz").write_bytes(build(raw()))
    monkeypatch.setenv("MEDIATOOL_MASKING_KEY", KEY)
    monkeypatch.setenv("MEDIATOOL_MODEL", str(nowhere / "model.yaml"))
    monkeypatch.setenv("MEDIATOOL_WORKERS", "1")
    return nowhere


def files(folder: Path) -> dict[str, bytes]:
    """All that is in the folder."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def sanitize(mediatool: Run, archive: str = "given.tar.gz", rules: str = "rules.yaml") -> str:
    """Sanitize what is there, see that it ends with 3 and writes nothing; the message."""
    before = files(Path())
    result = mediatool(
        "sanitize", "--input", archive, "--output", "out/copy.tar.gz", "--rules", rules
    )
    assert result.code == 3, result.err
    assert 1 <= len(result.lines) <= 2, result.err
    assert result.err.startswith("mediatool: ")
    assert max(map(len, result.lines)) < 400
    assert result.out == ""
    assert files(Path()) == before
    return result.err


def test_the_archive_that_is_changed_is_a_good_one(bench: Path, mediatool: Run) -> None:
    """So that what the others end with is of what is wrong in them."""
    words = ("--input", "good.tar.gz", "--output", "copy.tar.gz", "--rules", "rules.yaml")
    result = mediatool("sanitize", *words)
    assert (result.code, result.err) == (0, result.err)
    assert (bench / "copy.tar.gz").exists()


@pytest.mark.parametrize("name", DRAFTS)
def test_hostile_archives(bench: Path, mediatool: Run, name: str) -> None:
    """Names, links, counts, sizes, bombs, depths and rows: each is told by what it is."""
    draft, says = DRAFTS[name]
    if name in MORE:
        (bench / "rules.yaml").write_text(
            RULES.replace("person}\n  t", f"person, {MORE[name]}}}\n  t")
        )
    (bench / "given.tar.gz").write_bytes(build(draft))
    said = sanitize(mediatool)
    assert "given.tar.gz" in said
    assert re.search(says if "|" in says else re.escape(says), said)
    assert "Ashgrove" not in said


@pytest.mark.parametrize("name", BYTES)
def test_files_that_are_no_archives(bench: Path, mediatool: Run, name: str) -> None:
    """Other formats, and nothing at all."""
    data, says = BYTES[name]
    (bench / "given.tar.gz").write_bytes(data)
    assert says in sanitize(mediatool)


def test_cut_at_every_boundary(bench: Path, mediatool: Run) -> None:
    """Before, at and after the beginning of each gzip block: not read at all."""
    data = build(raw())
    starts = [match.start() for match in re.finditer(rb"\x1f\x8b\x08", data)]
    assert len(starts) > len(raw().files) * 2
    for cut in cuts(data, [*starts, len(data) - 8, len(data)]):
        (bench / "given.tar.gz").write_bytes(cut)
        assert "cut short" in sanitize(mediatool)


@pytest.mark.parametrize(
    "name",
    [*USER_TAR, *MANIFESTS, *(name for name in CONTENT if name.startswith("a schema that"))],
)
def test_a_hostile_archive_has_nothing_to_compare(bench: Path, mediatool: Run, name: str) -> None:
    """The comparison is unknown, which is not equal, and its report names the archive."""
    (bench / "given.tar.gz").write_bytes(build(DRAFTS[name][0]))
    words = ("--version1", "good.tar.gz", "--version2", "given.tar.gz", "--output", "diff.json")
    result = mediatool("compare", *words)
    assert (result.code, "given.tar.gz" in result.err) == (3, True), result.err
    assert json.loads((bench / "diff.json").read_text())["verdict"] == "unknown"
    assert {*files(bench)} == {"good.tar.gz", "given.tar.gz", "model.yaml", "rules.yaml"} | {
        "diff.json"
    }


def test_rows_that_no_schema_knows_are_never_the_same(bench: Path, mediatool: Run) -> None:
    """Neither on both sides nor on one, whichever it is."""
    more = File("ghosts.ndjson", USER, table="ghosts")
    draft = raw()
    ghosts = replace(draft, files=(more, *draft.files))
    (bench / "given.tar.gz").write_bytes(build(ghosts))
    (bench / "other.tar.gz").write_bytes(
        build(replace(ghosts, files=(replace(more, content=USER * 2), *draft.files)))
    )
    for one, two in (("given", "other"), ("good", "given"), ("given", "good")):
        words = ("--version1", f"{one}.tar.gz", "--version2", f"{two}.tar.gz", "--output", "d.json")
        result = mediatool("compare", *words)
        assert result.code == 3
        assert "has rows of ghosts, which schema.json does not list" in result.err
        assert json.loads((bench / "d.json").read_text())["verdict"] == "unknown"
        (bench / "d.json").unlink()


DEEP_YAML = "[" * 100_000
BOMB = "tables:\n- &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"- &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)
PYTHON = "!!python/object/apply:os.system ['touch owned']"

YAML: dict[str, bytes] = {
    "a Python object": PYTHON.encode(),
    "an alias bomb": BOMB.encode(),
    "an alias of itself": b"tables: &a {users: *a}\n",
    "100,000 levels": DEEP_YAML.encode(),
    "no UTF-8": b"tables: \xff\xfe\n",
    "a zero byte": b"tables:\0\n",
    "a tab": b"tables:\n\tusers:\n",
    "no end": b"tables: {users: [id\n",
    "two documents": b"tables: {}\n---\ntables: {}\n",
    "a list": b"- users\n",
    "a word": b"users\n",
    "an unknown section": b"tables: {}\nexec: rm\n",
    "a section twice": b"tables: {}\ntables: {}\n",
    "names that are lists": b"? [a, b]\n: keep\n",
    "a number for a section": b"tables: 5\n",
}

MODELS: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "a Python object inside": (
        MODEL.replace("[id]", PYTHON).encode(),
        "is not a plain value",
    ),
    "a table twice": (
        b"tables: {users: [id], users: [id]}\ncollections: {users: users}\n",
        "twice",
    ),
    "a root that is not there": (MODEL.encode() + b"  \nleft_out: 3\n", "left_out"),
    "a reference to nowhere": (
        b"tables: {users: [id]}\ncollections: {users: {root: nobody}}\n",
        "nobody",
    ),
    "a validator that holds itself": (
        b"tables: {users: [id]}\ncollections: {users: {root: users, validator: &a {x: *a}}}\n",
        "model.yaml:2",
    ),
    "an index of no day": (
        b"tables: {users: [id]}\n"
        b"collections: {users: {root: users, indexes: [{keys: a, x: 2001-13-99}]}}\n",
        "model.yaml:2",
    ),
    "an unknown word": (
        b"tables: {users: [id]}\ncollections: {users: {root: users, run: rm}}\n",
        "run",
    ),
}

RULE_FILES: dict[str, tuple[str, str]] = {
    "an unknown verb": (RULES.replace("redact", "encrypt"), "'encrypt' is not a rule"),
    "an unknown kind": (
        RULES.replace("pseudonym person", "pseudonym nobody"),
        "there is no kind nobody",
    ),
    "a format that is none": (RULES.replace("person: person", "person: face"), "its format"),
    "a column twice": (RULES.replace("{id: keep,", "{id: keep, id: keep,"), "twice"),
    "a table twice": (RULES + "  users: {id: keep, name: keep}\n", "users is listed twice"),
    "a step that is none": (RULES.replace("redact", "generalize century"), "write generalize with"),
    "a percentage that is none": (RULES.replace("redact", "noise 0"), "'noise 0' is not a rule"),
    "paths in a text": (RULES.replace("redact", "{json: {a: keep}}"), "paths are for json"),
    "a path that is none": (RULES.replace("redact", "{json: {a..b: keep}}"), "paths are for json"),
    "a key that is redacted": (RULES.replace("{id: keep,", "{id: redact,"), "part of a key"),
    "a key that is dropped": (RULES.replace("{id: keep,", "{id: drop,", 1), "users.id|teams.id"),
    "a prefix that is a list": (
        RULES.replace("person: person", "person: {format: number, prefix: [a]}"),
        "write one word",
    ),
    "a rule that is a list": (RULES.replace("redact", "[keep]"), "teams.name|name: write"),
    "an unclassified column": (RULES.replace(", name: redact", ""), "teams.name (text) is not"),
    "an unclassified table": (RULES[: RULES.index("  teams")], "teams.id (integer) is not"),
    "groups of no column": (RULES + "quasi_identifiers: {users: [shoe]}\n", "no column shoe"),
    "a Python object inside": (RULES.replace("redact", PYTHON), "is not a plain value"),
}


def no_model(mediatool: Run, bench: Path, text: bytes) -> str:
    """Sanitize with this model."""
    (bench / "model.yaml").write_bytes(text)
    return sanitize(mediatool, "good.tar.gz")


def no_rules(mediatool: Run, bench: Path, text: bytes) -> str:
    """Sanitize with these rules."""
    (bench / "given.yaml").write_bytes(text)
    return sanitize(mediatool, "good.tar.gz", "given.yaml")


@pytest.mark.parametrize("door", [no_model, no_rules])
@pytest.mark.parametrize("text", YAML.values(), ids=YAML)
def test_yaml_that_is_wrong(
    bench: Path, mediatool: Run, text: bytes, door: Callable[[Run, Path, bytes], str]
) -> None:
    """As a model or as rules: named with file and line, nothing of it carried out."""
    said = door(mediatool, bench, text)
    assert re.search(r"(model|given)\.yaml", said)
    assert not (bench / "owned").exists()


@pytest.mark.parametrize(("text", "says"), MODELS.values(), ids=MODELS)
def test_models_that_are_wrong(bench: Path, mediatool: Run, text: bytes, says: str) -> None:
    """What a model says that cannot be."""
    assert says in no_model(mediatool, bench, text)
    assert not (bench / "owned").exists()


@pytest.mark.parametrize(("text", "says"), RULE_FILES.values(), ids=RULE_FILES)
def test_rules_that_are_wrong(bench: Path, mediatool: Run, text: str, says: str) -> None:
    """What rules say that cannot be, or do not say."""
    said = no_rules(mediatool, bench, text.encode())
    assert re.search(says if "|" in says else re.escape(says), said)
    assert not (bench / "owned").exists()
