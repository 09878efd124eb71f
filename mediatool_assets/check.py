"""``check``: everything that a first version needs, in one table."""

import os
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mediatool_assets.cli import SESSION, Json, echo, print_json, print_table
from mediatool_assets.core.errors import BadModel, BadRules, MediatoolError, Misuse, NotFound
from mediatool_assets.core.outcomes import Reading, exit_code, ok, warning, wrong

if TYPE_CHECKING:
    from mediatool_assets.core.settings import Settings
    from mediatool_assets.stores.readiness import SourceFound

_ROOM = 256 << 20  # bytes: less is a disk that is full
_SHARE = 0.3  # part of the tables' size that an export spools, since blocks are compressed
_SHOWN = 12  # lines of one kind; --json has them all


def check(json: Json = False) -> None:
    """Check everything that a first version needs, in seconds; nothing is left behind.

    Checks settings, servers and their releases, every right, disks, clocks, the model and the
    masking rules against the source, and Dagster's instance. An object that is written and removed
    shows whether the S3 server supports encryption, conditional writes and checksums. For each
    problem it prints a command to paste.

    Exit code 0: nothing is wrong; 4: a server cannot be reached or refuses; 2: a setting is wrong;
    3: the source or the model is wrong; 1: something else.

    Examples:

        mediatool check
        mediatool check --json
    """
    from mediatool_assets.stores.environment import require_choice

    require_choice()
    readings = all_readings()
    if json:
        print_json({"verdict": _verdict(readings), "readings": [asdict(r) for r in readings]})
    else:
        rows = [(r.verdict, f"{r.area}: {r.name}", r.says) for r in readings]
        print_table(("", "WHAT", "FOUND"), rows, wrapped=True)
        _print_fixes(readings)
    raise typer.Exit(exit_code(readings))


def all_readings() -> list[Reading]:
    """All readings, taken in parallel: a server that does not answer does not delay the others."""
    from mediatool_assets.stores.environment import settings_and_problems

    config, problems = settings_and_problems()
    found = [wrong("settings", "settings", problem, code=2) for problem in problems]
    found = found or [ok("settings", "settings", "every setting can be read")]
    with ThreadPoolExecutor(4, thread_name_prefix="check") as executor:
        source = executor.submit(_source, config)
        others = [executor.submit(ask, config) for ask in (_target, _bucket, _mongodb)]
        looked = source.result()
        found += looked.readings
        for other in others:
            found += other.result()
    found += _disks(config, looked.bytes)
    found += _of_model(config, looked)
    found += _of_rules(config, looked)
    found += _of_dagster()
    return [
        replace(each, says=SESSION.advice(each.says), fixes=tuple(map(SESSION.advice, each.fixes)))
        for each in found
    ]


def _print_fixes(readings: list[Reading], *, err: bool = False) -> None:
    """Print the commands to paste, each below the problem that it solves."""
    for reading in readings:
        if reading.fixes:
            echo(f"\n{reading.area}: {reading.name}", err=err)
        for fix in reading.fixes:
            echo(f"  {fix}", err=err)


def _verdict(readings: list[Reading]) -> str:
    verdicts = {reading.verdict for reading in readings}
    return next((v for v in ("wrong", "warning") if v in verdicts), "ok")


def _source(config: "Settings") -> "SourceFound":
    from mediatool_assets.stores.readiness import source_found

    return source_found(config)


def _target(config: "Settings") -> list[Reading]:
    from mediatool_assets.stores.readiness import target_readings

    return target_readings(config)


def _bucket(config: "Settings") -> list[Reading]:
    from mediatool_assets.stores.readiness import bucket_readings

    found = bucket_readings(config)
    if exit_code(found) == 0:
        found += _posture(config)
    return found


def _posture(config: "Settings") -> Iterator[Reading]:
    """A one-line summary of the bucket's settings; `bucket check` has a line for each."""
    from mediatool_assets.bucket import flow as bucket
    from mediatool_assets.core.bucket import Declaration
    from mediatool_assets.stores.s3_bucket import S3Bucket

    controls = bucket.check(Declaration.of(config), S3Bucket.of(config))
    differing = [control.name for control in controls if control.verdict != "passed"]
    if differing:
        says = f"{len(differing)} of {len(controls)} differ from the declaration or are unknown"
        yield warning("s3", "bucket settings", says, "mediatool bucket check --fix")
    else:
        yield ok("s3", "bucket settings", "as declared")


def _mongodb(config: "Settings") -> list[Reading]:
    from mediatool_assets.stores.readiness import mongodb_readings

    return mongodb_readings(config)


def _disks(config: "Settings", tables: int | None) -> Iterator[Reading]:
    import tempfile

    places = {"scratch": config.scratch or Path(tempfile.gettempdir()), "home": config.home}
    for name, place in places.items():
        there = next(p for p in (place.absolute(), *place.absolute().parents) if p.exists())
        if not os.access(there, os.W_OK):
            fix = f"chown {os.geteuid()} {there}  # or set MEDIATOOL_{name.upper()}"
            yield wrong("disk", name, f"{there} cannot be written to", fix, code=2)
            continue
        free = shutil.disk_usage(there).free
        says = f"{free / 1e9:,.1f} GB free at {there}"
        fix = f"free disk space, or set MEDIATOOL_{name.upper()} to a larger disk"
        if free < _ROOM:
            yield wrong("disk", name, says, fix, code=2)
        elif name == "scratch" and tables is not None and free < tables * _SHARE:
            says += f"; the tables have {tables / 1e9:,.1f} GB, of which an export spools a part"
            yield warning("disk", name, says, fix)
        else:
            yield ok("disk", name, says)


def _of_model(config: "Settings", source: "SourceFound") -> Iterator[Reading]:
    """The model compared with the source, and restore problems if both can be read."""
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.core.resolution import resolve

    infer = "mediatool model infer --output model.yaml  # then MEDIATOOL_MODEL=model.yaml"
    try:
        model = load_model(config.model)
        if source.schema is None:
            says = f"{config.model} can be read; not compared: the source could not be read"
            yield ok("model", "file", says)
            return
        drift = [r for r in resolve(model, source.schema, config.exclude_tables).remarks if r.drift]
    except BadModel as error:
        for problem in error.problems[:_SHOWN]:
            yield wrong("model", "fit", problem, code=3)
        says = (
            f"{len(error.problems)} mistakes" if len(error.problems) > _SHOWN else "another model"
        )
        yield wrong("model", "fit", says, "mediatool model check", infer, code=3)
        return
    for remark in sorted(drift, key=lambda r: r.line)[:_SHOWN]:
        yield warning("model", "drift", model.at(remark.line, f"{remark.text}; {remark.fix}"))
    if len(drift) > _SHOWN:
        yield warning("model", "drift", f"{len(drift) - _SHOWN} more", "mediatool model check")
    if not drift:
        yield ok("model", "fit", f"{config.model.name} fits the source")
    if config.targets.postgres and exit_code(source.readings) == 0:
        yield from _restorable(config)


def _restorable(config: "Settings") -> Iterator[Reading]:
    from mediatool_assets.infer.command import restore_problems
    from mediatool_assets.infer.flow import LiveTables
    from mediatool_assets.stores.postgres_source import PostgresSource

    try:
        with PostgresSource.of(config).snapshot() as snapshot:
            problems = restore_problems(LiveTables(snapshot), config)
    except MediatoolError as error:
        yield wrong("source", "snapshot", str(error), code=error.exit_code)
        return
    for problem in problems:
        yield warning("restores", "schema", problem)


def _of_rules(config: "Settings", source: "SourceFound") -> Iterator[Reading]:
    """The masking rules, if sanitized copies are made."""
    from mediatool_assets.sanitize.rules import mistakes, unclassified
    from mediatool_assets.sanitize.rules_file import SHIPPED_RULES, load_rules

    if config.masking_key is None and config.masking_rules is None:
        says = "no key and no rules are set: no sanitized copies"
        yield ok("masking", "rules", says)
        return
    try:
        rules = load_rules(config.masking_rules or SHIPPED_RULES)
    except BadRules as error:
        yield from (wrong("masking", "rules", p, code=3) for p in error.problems[:_SHOWN])
        return
    if source.schema is None:
        yield ok("masking", "rules", "the rules can be read; no source to compare with")
        return
    problems = [*mistakes(rules, source.schema), *unclassified(rules, source.schema)]
    for problem in problems[:_SHOWN]:
        yield wrong("masking", "rules", problem, code=3)
    if len(problems) > _SHOWN:
        says = f"{len(problems) - _SHOWN} more"
        step = "mediatool sanitize --input VERSION --suggest > rules.yaml"
        yield wrong("masking", "rules", says, step, code=3)
    if not problems:
        yield ok("masking", "rules", f"{rules.source} covers every column")


def _of_dagster() -> Iterator[Reading]:
    """Dagster's home and its instance file; the command line does not import Dagster."""
    import yaml

    from mediatool_assets.core.texts import DAGSTER_YAML
    from mediatool_assets.stores.environment import home

    own = os.environ.get("DAGSTER_HOME", "").strip()
    folder = Path(own) if own else home() / "dagster"
    file = folder / "dagster.yaml"
    write = f"cp {DAGSTER_YAML} {file}"
    if not file.is_file():
        if own:
            says = f"DAGSTER_HOME is {folder}, without a dagster.yaml: runs have no queue, no pools"
            yield wrong("dagster", "instance", says, write, code=2)
        else:
            yield ok("dagster", "instance", f"the first export writes {file}")
    else:
        try:
            loaded: Any = yaml.safe_load(file.read_text("utf-8")) or {}
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            says = f"{file}: {str(error).splitlines()[0]}"
            yield wrong("dagster", "instance", says, write, code=2)
            loaded = None
        if isinstance(loaded, dict):
            ours = yaml.safe_load(DAGSTER_YAML.read_text("utf-8"))
            lacking = sorted(
                {"run_coordinator", "concurrency", "storage"} & ours.keys() - loaded.keys()
            )
            if lacking:
                says = f"{file} has no {', '.join(lacking)}"
                yield warning("dagster", "instance", says, f"diff {DAGSTER_YAML} {file}")
            else:
                yield ok("dagster", "instance", str(file))
    yield from _dagster_storage()


def _dagster_storage() -> Iterator[Reading]:
    names = [f"DAGSTER_PG_{name}" for name in ("HOST", "PORT", "USER", "PASSWORD", "DB")]
    values = [os.environ.get(name, "").strip() for name in names]
    if not values[0]:
        yield ok("dagster", "storage", "SQLite files, for one machine")
        return
    if missing := [name for name, value in zip(names, values, strict=True) if not value]:
        yield wrong("dagster", "storage", f"{', '.join(missing)} is not set", code=2)
        return
    import psycopg

    host, port, user, password, database = values
    try:
        psycopg.connect(
            host=host, port=port, user=user, password=password, dbname=database, connect_timeout=5
        ).close()
    except psycopg.Error as error:
        says = " ".join(str(error).split())
        fix = "correct DAGSTER_PG_*, or start that server"
        yield wrong("dagster", "storage", says, fix, code=4)
        return
    yield ok("dagster", "storage", f"PostgreSQL {host}:{port}/{database}")


@contextmanager
def explained_at_first(registry: Path) -> Iterator[None]:
    """If the command fails before any version was made, print all problems on stderr."""
    try:
        yield
    except MediatoolError as error:
        red = [] if registry.exists() or isinstance(error, Misuse | NotFound) else _all_wrong()
        if red:
            echo("no version was made here yet; `mediatool check` finds:", err=True)
            for each in red:
                echo(f"{each.area}: {each.name}: {each.says}", err=True)
            _print_fixes(red, err=True)
        raise


def _all_wrong() -> list[Reading]:
    return [reading for reading in all_readings() if reading.verdict == "wrong"]
