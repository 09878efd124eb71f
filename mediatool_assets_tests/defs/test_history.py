"""Dagster's history is kept small by what the page on it says."""

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg

from mediatool_assets_tests.documents import ROOT, blocks


@dg.job
def nothing() -> None:
    """A job without steps."""


def test_the_documented_function_deletes_runs_that_have_ended(instance: dg.DagsterInstance) -> None:
    """Older ones go with their events; later ones, and one that is at work, stay."""
    (block,) = blocks("python", ROOT / "docs/how-to/dagster-history.md")
    names: dict[str, Any] = {"__name__": "example"}
    exec(block.text, names)  # noqa: S102  # the document's own code is what is tested
    ended = [nothing.execute_in_process(instance=instance).run_id for _ in range(3)]
    begun = instance.create_run_for_job(nothing).run_id
    later = datetime.now(UTC) + timedelta(minutes=1)
    assert names["delete_runs"](instance, later - timedelta(days=1)) == 0
    assert names["delete_runs"](instance, later, at_once=2) == 3
    assert [run.run_id for run in instance.get_runs()] == [begun]
    assert instance.all_logs(ended[0]) == []
