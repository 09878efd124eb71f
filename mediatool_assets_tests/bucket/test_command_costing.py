"""``costs``: of a made-up year that was kept, and of a real bucket."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mediatool_assets.bucket.flow import (
    SHIPPED_PRICES,
    inventory_from_parquet,
    inventory_to_parquet,
)
from mediatool_assets.stores.local_stack import Stack
from mediatool_assets.stores.s3 import S3Objects
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.made_up_year import year

pytestmark = pytest.mark.usefixtures("as_any_other_process")


@pytest.fixture
def kept(nowhere: Path) -> Path:
    """The made-up year as it would have been kept."""
    path = nowhere / "2026-06-30.parquet"
    path.write_bytes(inventory_to_parquet(year()))
    return path


def test_what_is_kept_comes_back(kept: Path) -> None:
    """Items, rules and all, from the file alone."""
    assert inventory_from_parquet(kept.read_bytes(), "kept") == year()


def test_a_made_up_year(mediatool: Run, kept: Path) -> None:
    """The figures that bucket/test_cost_report.py reaches by hand, to the cent."""
    result = mediatool("costs", "--inventory", kept, "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    assert round(found["monthly"], 2) == 4.06
    assert round(found["monthly_all_standard"], 2) == 16.79
    assert (found["months"][0]["month"], round(found["months"][0]["total"], 2)) == ("2026-07", 4.22)
    assert found["rules"] == "bucket"


@pytest.mark.parametrize("name", ["costs.html", "costs.md", "costs.json"])
def test_reports(mediatool: Run, kept: Path, nowhere: Path, name: str) -> None:
    """Each form by the file's name, with the same headline as the terminal."""
    result = mediatool("costs", "--inventory", kept, "--output", nowhere / name)
    assert result.code == 0
    assert "\n$4.06 a month as it is, $16.79 in STANDARD." in result.out
    written = (nowhere / name).read_text()
    if name == "costs.json":
        assert json.loads(written) == json.loads(
            mediatool("costs", "--inventory", kept, "--json").out
        )
        return
    assert "$4.06 a month as it is" in written
    assert "use GLACIER for long-term storage" in written
    if name == "costs.html":
        HTMLParser().feed(written)
        assert written.count("<svg") == 2
        assert "http://" not in written


def test_other_prices(mediatool: Run, kept: Path, nowhere: Path) -> None:
    """A table of one's own replaces the shipped one; one that lacks a part is named."""
    table = json.loads(SHIPPED_PRICES.read_text())
    table["gb_month"] = dict.fromkeys(table["gb_month"], 0)
    free = nowhere / "free.json"
    free.write_text(json.dumps(table))
    words = ("costs", "--inventory", kept, "--json", "--prices", free)
    assert json.loads(mediatool(*words).out)["monthly"] == 0
    del table["put_1000"]["GLACIER"]
    free.write_text(json.dumps(table))
    result = mediatool(*words)
    assert result.code == 2
    assert "free.json has no price of GLACIER in put_1000" in result.err


def test_a_file_that_is_no_inventory(mediatool: Run, nowhere: Path) -> None:
    """It is named, and the exit code is that of bad input."""
    wrong = nowhere / "wrong.parquet"
    wrong.write_bytes(b"PAR1 nothing")
    result = mediatool("costs", "--inventory", wrong)
    assert result.code == 3
    assert "wrong.parquet is not an inventory" in result.err


def test_a_format_without_a_file(mediatool: Run, kept: Path) -> None:
    """Nothing would be written in it."""
    result = mediatool("costs", "--inventory", kept, "--format", "html")
    assert (result.code, "--output" in result.err) == (2, True)


def test_a_real_bucket(
    mediatool: Run, stack: Stack, objects: S3Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its objects are counted, and the declared rules reckoned with where it has none."""
    for name, value in stack.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MEDIATOOL_S3_BUCKET", objects.bucket)
    assert f"Bucket {objects.bucket} is empty." in mediatool("costs").out
    objects.put("postgres-exports/raw/2026-06-30/x", bytes(1 << 20))
    result = mediatool("costs", "--json")
    assert (result.code, result.err) == (0, "")
    found = json.loads(result.out)
    (held,) = found["holdings"]
    assert (held["area"], held["objects"], held["bytes"]) == ("postgres-exports/raw/", 1, 1 << 20)
    assert found["rules"] == "declaration"
    assert found["rules_reason"].startswith("the bucket has none; ")
    assert 0 < found["year"] <= found["year_all_standard"]
    assert "declared rules, since they are not read from the bucket" in mediatool("costs").out
