"""What Dagster's records of a version cost: its events, and the calls of its IO managers.

    python benchmarks/events.py [--tables 34] [--layer raw ...] [--output FILE]

Makes one version of so many small tables by the job ``daily_export``, on servers of its own, and
prints seconds and counts: of the run, of each step, of the events by type, of the IO managers'
calls. The seconds of an event are those of storing it; processor seconds, of the process
that runs the steps, say more on a busy machine. With ``--layer``, these groups of assets
alone are made, without their checks. To compare two checkouts, run it with the ``.venv`` of each.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import dagster as dg
import psycopg
from psycopg import sql

from mediatool_assets.core.settings import Settings
from mediatool_assets.definitions import definitions
from mediatool_assets.stores.local_stack import down, up

ROWS = 3  # a table; what is measured is the bookkeeping, not the rows
LAYERS = "layers"  # the job of some layers
LOG = "LOG"  # a message of a step's log, which is an event too


class Meter:
    """Calls, seconds, and processor seconds of this process, by name."""

    def __init__(self) -> None:
        self.calls: defaultdict[str, int] = defaultdict(int)
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.processor: defaultdict[str, float] = defaultdict(float)

    def wrapped(self, method: Callable[..., Any], name: Callable[..., str]) -> Callable[..., Any]:
        """The method, measured; ``name`` takes its arguments."""

        def measured(*arguments: Any, **others: Any) -> Any:
            start, at_work = perf_counter(), process_time()
            try:
                return method(*arguments, **others)
            finally:
                called = name(*arguments, **others)
                self.calls[called] += 1
                self.seconds[called] += perf_counter() - start
                self.processor[called] += process_time() - at_work

        return measured

    def rows(self) -> dict[str, dict[str, float]]:
        """By name, those that took longest first."""
        names = sorted(self.calls, key=lambda name: -self.seconds[name])
        return {
            name: {
                "calls": self.calls[name],
                "seconds": round(self.seconds[name], 3),
                "processor_seconds": round(self.processor[name], 3),
            }
            for name in names
        }


def source(url: str, schema: str, tables: list[str]) -> None:
    """Make the tables."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(schema)))
        for table in tables:
            name = sql.Identifier(schema, table)
            connection.execute(
                sql.SQL("CREATE TABLE {} (id integer PRIMARY KEY, name text)").format(name)
            )
            connection.execute(
                sql.SQL("INSERT INTO {} SELECT generate_series(1, {})").format(name, ROWS)
            )


def measured(settings: Settings, layers: list[str]) -> dict[str, Any]:
    """One version, or these layers of it, and what it cost."""
    events, managers = Meter(), Meter()
    defs = definitions(settings)
    if layers:
        chosen = dg.AssetSelection.groups(*layers).without_checks()
        only = dg.define_asset_job(LAYERS, chosen, executor_def=dg.in_process_executor)
        defs = dg.Definitions.merge(defs, dg.Definitions(jobs=[only]))
    called = [
        (manager, method, getattr(manager, method))
        for manager in {type(each) for each in (defs.resources or {}).values()}
        for method in ("handle_output", "load_input")
        if hasattr(manager, method)
    ]
    for manager, method, own in called:
        setattr(manager, method, managers.wrapped(own, lambda *_, m=method: m))
    store = dg.DagsterInstance.handle_new_event

    def kind(_: object, entry: dg.EventLogEntry, **__: object) -> str:
        return entry.dagster_event_type.value if entry.dagster_event_type else LOG

    dg.DagsterInstance.handle_new_event = events.wrapped(store, kind)  # type: ignore[method-assign]
    with dg.DagsterInstance.get() as instance:
        start, at_work = perf_counter(), process_time()
        result = defs.resolve_job_def(LAYERS if layers else "daily_export").execute_in_process(
            partition_key=datetime.now(UTC).date().isoformat(),
            instance=instance,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
        seconds, processor = perf_counter() - start, process_time() - at_work
        stats = instance.get_run_step_stats(result.run_id)
    if not result.success:
        sys.exit("the run has failed")
    spans = [(s.start_time, s.end_time, s.step_key) for s in stats if s.start_time and s.end_time]
    return {
        "run_seconds": round(seconds, 2),
        "run_processor_seconds": round(processor, 2),
        "events": sum(events.calls.values()),
        "event_seconds": round(sum(events.seconds.values()), 2),
        "event_processor_seconds": round(sum(events.processor.values()), 2),
        "step_seconds": {name: round(end - begin, 2) for begin, end, name in sorted(spans)},
        "events_by_type": events.rows(),
        "io_managers": managers.rows(),
    }


def main() -> None:
    """Start the servers, make the version, print, and remove everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", type=int, default=34)
    parser.add_argument("--layer", action="append", default=[], help="a group, such as raw")
    parser.add_argument("--output", type=Path, help="a file for the figures, besides stdout")
    arguments = parser.parse_args()
    tables = [f"t{number:04}" for number in range(arguments.tables)]
    home = Path(tempfile.mkdtemp(prefix="mediatool-bench-"))
    try:
        stack = up(home)
        model = home / "model.yaml"
        named = ", ".join(f"{table}: " for table in tables)
        made = ", ".join(f"{table}: {table}" for table in tables)
        model.write_text(f"tables: {{{named}}}\ncollections: {{{made}}}\n")
        own = {"MEDIATOOL_HOME": str(home), "MEDIATOOL_MODEL": str(model)}
        os.environ |= stack.environment | own
        settings = Settings.parse(os.environ)
        assert settings.postgres_url is not None, "the servers are up"
        source(settings.postgres_url.reveal(), settings.postgres_schema, tables)
        found = json.dumps({"tables": len(tables), **measured(settings, arguments.layer)}, indent=2)
    finally:
        down(home)
        shutil.rmtree(home)
    print(found)
    if arguments.output:
        arguments.output.write_text(found + "\n")


if __name__ == "__main__":
    main()
