"""Each planted defect turns the right checks red, in Dagster and on the command line, and is told.

The daily job makes one small version. A defect is planted in its stores, every check and the
integrity report run again alone, and the commands too; then the defect is taken out. Exactly the
checks that stand with it are red and name the thing, the commands end with 1 and name it, and one
alert arrives. What is wrong at the source itself, a next version shows.
"""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mediatool_assets.stores.local_stack import Stack
from mediatool_assets_tests.drills.checked_version import Found, Made, checked_version
from mediatool_assets_tests.drills.planted_defects import DEFECTS, INTACT, Defect
from mediatool_assets_tests.fixtures.command_line import Run
from mediatool_assets_tests.receiver import Receiver, receiver
from mediatool_assets_tests.watching import Watch

THRESHOLDS = "daily_metrics_comparison: thresholds"


@pytest.fixture(scope="module")
def made(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """One version for all tests of this file; each puts back what it changes."""
    with checked_version(stack, tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def hook(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    """A receiver that the settings name as the webhook."""
    with receiver() as found:
        monkeypatch.setenv("MEDIATOOL_ALERT_WEBHOOK_URL", found.url)
        yield found


def told_once(watch: Watch, hook: Receiver, found: Found) -> None:
    """One alert has arrived, of all red checks, each with its asset; and no second one."""
    watch.tick()
    watch.tick()
    [alert] = hook.arrived
    checks = {p["thing"]: p for p in alert["problems"] if p["kind"] == "check"}
    assert checks.keys() == found.red.keys()
    assert {f"{p['asset']}: {p['check']}" for p in checks.values()} == found.red.keys()
    assert all(problem["reason"] for problem in checks.values())


def test_without_a_defect_nothing_is_red_and_nothing_is_told(
    made: Made, hook: Receiver, mediatool: Run
) -> None:
    """Nor does a command find anything."""
    watch = Watch(made.instance, made.defs)
    assert made.look().red == {}
    assert watch.tick().startswith("webhook: 0 posted, 0 waiting")
    assert hook.arrived == []
    for command in ("integrity", "verify"):
        assert mediatool(command, str(made.version)).code == 0


ALONE = {name: (defect,) for name, defect in DEFECTS.items() if defect.red.keys() != {INTACT}}
TOGETHER = tuple(defect for defect in DEFECTS.values() if defect.red.keys() == {INTACT})
"""Those that only the report finds: it names each beside the others."""


@pytest.mark.parametrize("defects", [*ALONE.values(), TOGETHER], ids=[*ALONE, "the other defects"])
def test_a_defect_turns_its_checks_red_and_is_told_once(
    made: Made, hook: Receiver, mediatool: Run, defects: Sequence[Defect]
) -> None:
    """By table, key and column, as far as there are any."""
    watch = Watch(made.instance, made.defs)
    told = sorted({command for defect in defects for command in defect.told})
    with ExitStack() as planted:
        for defect in defects:
            planted.enter_context(defect.plant(made))
        found = made.look()
        printed = {command: mediatool(command, str(made.version)) for command in told}
    assert found.red.keys() == {check for defect in defects for check in defect.red}
    assert {(result.code, result.err) for result in printed.values()} == {(1, "")}
    rows = [row for row in found.report.splitlines() if row.startswith("|")]
    for defect in defects:
        for check, words in defect.red.items():
            assert words in found.red[check]
        if defect.named:
            assert [row for row in rows if all(word in row for word in defect.named)]
        for command, line in defect.told.items():
            assert re.search(line, printed[command].out, re.MULTILINE), printed[command].out
    told_once(watch, hook, found)


def _emptied(comparison: dict[str, Any]) -> bool:
    plans = comparison["details"]["plans"]
    return bool((plans["count_v1"], plans["count_v2"], plans["removed"]) == (20, 0, 20))


def _dropped(comparison: dict[str, Any]) -> bool:
    [change] = comparison["schema_changes"]
    found = tuple(change[field] for field in ("table", "what", "name", "severity"))
    return found == ("campaigns", "column", "channel", "breaking")


PLANT = """
SET search_path TO media_tool;
CREATE TABLE public.kept AS TABLE plans; DELETE FROM plans;
ALTER TABLE campaigns DROP COLUMN channel;
"""
UNDO = "INSERT INTO plans SELECT * FROM public.kept; ALTER TABLE campaigns ADD COLUMN channel text"


def test_what_is_wrong_at_the_source_the_next_version_tells(
    made: Made, hook: Receiver, mediatool: Run, tmp_path: Path
) -> None:
    """A table emptied, a column dropped: the version is compared with the one before.

    It is sound, and no other than its source.
    """
    watch, report = Watch(made.instance, made.defs), tmp_path / "report.json"
    with psycopg.connect(os.environ["MEDIATOOL_POSTGRES_URL"], autocommit=True) as source:
        source.execute(PLANT)
        with made.next_version() as (version, found):
            between = "--version1", str(made.version), "--version2", str(version)
            printed = mediatool("compare", *between, "--output", report, "--fail-on-difference")
        source.execute(UNDO)
    emptied, dropped = "raw/plans: as_usual", "raw/campaigns: as_usual"
    assert found.red.keys() == {emptied, dropped, THRESHOLDS}
    assert "plans: is empty, and had 20 rows" in found.red[emptied]
    assert "channel" in found.red[dropped]
    assert "plans" in found.red[THRESHOLDS]
    assert "channel" in found.red[THRESHOLDS]
    assert (printed.code, printed.err) == (1, "")
    comparison = json.loads(report.read_bytes())
    assert _emptied(comparison)
    assert _dropped(comparison)
    told_once(watch, hook, found)


def test_nothing_is_left_of_the_defects(made: Made) -> None:
    """Every test put back what it had changed, so that none found what another had planted."""
    assert made.look().red == {}
