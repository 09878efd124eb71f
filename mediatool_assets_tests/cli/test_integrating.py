"""``integrity`` as a person calls it, on real servers: what it prints, writes, and exits with."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient

from mediatool_assets.core.model_file import load_model
from mediatool_assets.core.version import Version
from mediatool_assets.integrity.plan import Integrity
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.mongodb import MongoDocuments
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets.transform.flow import transform
from mediatool_assets.work.scratch import Workspace
from mediatool_assets_tests.database_names import mongodb_database
from mediatool_assets_tests.finished import finish, load_and_dump
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.raw_archives import raw_archive, table

pytestmark = pytest.mark.usefixtures("as_any_other_process")

MODEL = """\
tables: {buys: , plans: }
collections:
  buys:
    root: buys
    add:
      plans:
        embed_many: id -> plans.buy_id
        orphans: plansWithoutBuy
"""
BUYS = table("buys", id="integer", name="text", spend="numeric")
PLANS = table("plans", id="integer", buy_id="integer", budget="numeric")
VERSION = Version(datetime(2007, 1, 1, tzinfo=UTC))


@pytest.fixture
def version(  # what it is made with
    stack: Stack,
    objects: S3Objects,
    documents: MongoDocuments,
    pool: Workspace,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[str]:
    """A complete version of five rows, on servers that the environment names."""
    model = tmp_path / "model.yaml"
    model.write_text(MODEL, "utf-8")
    buys = [{"id": n, "name": "Somebody", "spend": "1.50"} for n in range(3)]
    plans = [{"id": n, "buy_id": n, "budget": "2.25"} for n in range(2)]
    raw_archive(objects, {BUYS: buys, PLANS: plans}, version=VERSION)
    transform(objects, pool, VERSION, load_model(model))
    load_and_dump(objects, documents, pool, VERSION)
    finish(objects, documents, pool, VERSION, tmp_path / "registry.json")
    for name in ("RESTORE_POSTGRES_URL", "MONGODB_URL", "S3_ENDPOINT_URL"):
        monkeypatch.setenv(f"MEDIATOOL_{name}", stack.environment[f"MEDIATOOL_{name}"])
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    monkeypatch.setenv("MEDIATOOL_WORKERS", "2")
    monkeypatch.setenv("MEDIATOOL_MODEL", str(model))
    yield str(VERSION)
    documents.drop(mongodb_database(VERSION))


def test_a_sound_version_exits_with_0(mediatool: Run, version: str, tmp_path: Path) -> None:
    """The report is written in the format of the file's name, and printed in one line."""
    page = tmp_path / "report.html"
    result = mediatool("integrity", version, "--output", page)
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith(f"Data integrity of {version}: passed\n")
    assert page.read_text("utf-8").startswith("<!doctype html>")
    report = Integrity.from_json(mediatool("integrity", version, "--json").out.encode())
    assert (report.verdict, report.sample) == ("passed", None)
    sampled = mediatool("integrity", version, "--sample", "50", "--format", "markdown")
    assert sampled.code == 0
    assert sampled.out.startswith(f"# Data integrity of {version}: passed")
    assert "50 % of the rows" in sampled.out


def test_a_changed_digit_exits_with_1_and_is_named(
    mediatool: Run, version: str, documents: MongoDocuments, tmp_path: Path
) -> None:
    """Table, key and column on stdout, in JSON, HTML and Markdown; no name that is somebody's."""
    with MongoClient[dict[str, Any]](documents.url.reveal()) as client:
        buys = client[mongodb_database(VERSION)]["buys"]
        document = buys.find_one({"_id": 1})
        assert document is not None
        document["plans"][0]["budget"] = document["spend"]
        buys.replace_one({"_id": 1}, document)
    printed = mediatool("integrity", version)
    assert (printed.code, printed.err) == (1, "")
    assert re.search(r"mongodb +plans +id = 1 +differs +budget +2.25 +1.50", printed.out)
    for name in ("report.json", "report.html", "report.md"):
        assert mediatool("integrity", version, "--output", tmp_path / name).code == 1
        written = (tmp_path / name).read_text("utf-8")
        assert "2.25" in written
        assert "1.50" in written
        assert "Somebody" not in written
    assert json.loads((tmp_path / "report.json").read_text())["verdict"] == "failed"


def test_what_is_not_known_exits_with_1(
    mediatool: Run, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A MongoDB that does not let anybody in leaves its lines unknown."""
    monkeypatch.setenv("MEDIATOOL_MONGODB_URL", "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=9")
    result = mediatool("integrity", version)
    assert (result.code, result.err) == (1, "")
    assert f"Data integrity of {version}: unknown" in result.out


@pytest.mark.parametrize(
    ("words", "code"),
    [(("20010101-000000",), 3), (("nonsense",), 2), ((str(VERSION), "--sample", "0"), 2)],
)
def test_wrong_questions_have_their_exit_codes(
    mediatool: Run, version: str, words: tuple[str, ...], code: int
) -> None:
    """A version that is not there, no version at all, a share that is none."""
    result = mediatool("integrity", *words)
    assert (result.code, len(result.lines), result.out) == (code, 1, "")
