"""``model infer`` and ``model check``: a model for any database, and whether it still fits.

Finds reasons why a restore of a source would fail, before anything is exported.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Json, echo, note, print_json, working
from mediatool_assets.core.errors import BadModel, Misuse, Unreachable
from mediatool_assets.core.settings import Settings
from mediatool_assets.core.texts import SHIPPED_MODEL, pretty
from mediatool_assets.stores.environment import read_settings, settings
from mediatool_assets.versions.arguments import opened, settings_for

if TYPE_CHECKING:
    from mediatool_assets.core.restorable_ddl import RestoreScript
    from mediatool_assets.infer.flow import Inferred, TableSource


def restore_problems(tables: "TableSource", config: Settings) -> list[str]:
    """A line for each problem: objects with missing dependencies, or that a restore refuses to
    make.

    If ``MEDIATOOL_RESTORE_POSTGRES_URL`` is set, a line for what that server lacks too. Objects in
    ``MEDIATOOL_RESTORE_SKIP`` are no problem.
    """
    gaps = [gap for gap in tables.schema.gaps if gap.stops_restore]
    if config.restore_postgres_url is None and not config.restore_skip:
        return list(map(str, gaps))
    from mediatool_assets.core import restorable_ddl
    from mediatool_assets.core.ddl import BadStatement, Skips
    from mediatool_assets.core.setting_values import by_setting, leave_out

    skips = Skips(by_setting(config.restore_skip))
    try:
        script = restorable_ddl.read(tables.ddl().decode(), skips.reason)
    except BadStatement as error:
        fix = leave_out(error.of) if error.of else "see schema.sql of an archive"
        return [*map(str, gaps), f"a restore cannot create {error}; {fix}"]
    problems = [str(gap) for gap in gaps if not gap.is_of(script.skipped)]
    if config.restore_postgres_url is None:
        return problems
    return [*problems, *_of_the_server(tables, config, script)]


def restore_notes(tables: "TableSource") -> list[str]:
    """The differences between the source and a restored version."""
    from mediatool_assets.core.metadata import source_warnings

    problems = {str(gap) for gap in tables.schema.gaps if gap.stops_restore}
    return [w for w in source_warnings(tables.facts, tables.schema) if w not in problems]


def _of_the_server(
    tables: "TableSource", config: Settings, script: "RestoreScript"
) -> Iterator[str]:
    from mediatool_assets.core.restorable_ddl import needs
    from mediatool_assets.core.schema import Release
    from mediatool_assets.stores.postgres_target import PostgresTarget

    version = tables.facts.get("server_version") or 0  # unknown for an RDS export
    major = Release.parse(version).major
    needed = needs(major, tables.schema, script)
    target = PostgresTarget.of(config)
    try:
        missing = list(needed.lacking(target.features()))
    except Unreachable as error:
        yield f"it is unknown whether a restore would succeed: {error}"
        return
    if missing:
        yield (
            f"{target.server} lacks {', '.join(missing)}: a restore fails; set "
            "MEDIATOOL_RESTORE_POSTGRES_URL to a server that has it "
            "(docs/reference/local-servers.md)"
        )


app = typer.Typer()

Source = Annotated[
    str | None,
    typer.Option(
        "--source",
        metavar="ARCHIVE|VERSION",
        help="A version, or a raw archive (file, s3:// URI). Default: the live source.",
    ),
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    """How tables become collections: `infer` proposes a model, `check` compares it."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())  # noqa: TID251  # our own text, in colours


@app.command()
def infer(
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="The model file. Default: stdout."),
    ] = None,
    source: Source = None,
    risks: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Also write a risk report: .json, else Markdown."
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(metavar="ROWS", min=1, help="Read about this many rows of each table.")
    ] = 200_000,
    json: Json = False,
) -> None:
    """Propose a model for a database. It runs unchanged; comments list other findings.

    Reads the schema and the rows, to find keys, references without a foreign key, how many rows
    belong to one parent, and values that BSON cannot represent. Nothing is written to the source.
    An existing file is not overwritten.

    Examples:

        mediatool model infer --output model.yaml --risks risks.md
        mediatool model infer --source 20250621-020000-raw.tar.gz > model.yaml
    """
    for path in (output, risks):
        if path is not None and path.exists():
            raise Misuse(f"{path} exists, perhaps edited by hand; name another file")
    os.environ["MEDIATOOL_MODEL"] = str(SHIPPED_MODEL)  # the file to write may be invalid
    with _tables(source) as tables:
        found = _inferred(tables, sample)
        restore = [*restore_problems(tables, _config(source)), *restore_notes(tables)]
    if output is not None:
        output.write_text(found.model, "utf-8")
    elif not json:
        echo(found.model, nl=False)
    if risks is not None:
        _write_risks(found, risks)
    if json:
        print_json({"model": found.model, "risks": found.risks, "restore": restore})
    elif output is not None:
        echo(_summary(found, output))
        for line in (_left_behind(found), *restore):
            echo(line)
    else:
        for line in (_left_behind(found), *restore):
            note(line)


@app.command()
def check(source: Source = None, json: Json = False) -> None:
    """Compare the model (MEDIATOOL_MODEL) with the source: a line for each mistake or drift.

    Exit code 3: the model has a mistake, or does not fit this source (or fits only with the tables
    that MEDIATOOL_EXCLUDE_TABLES leaves out). Exit code 1: the source has changed (a new table or
    column, a wider type), or a restore would fail (an object depends on another schema, or the
    server of MEDIATOOL_RESTORE_POSTGRES_URL lacks an extension). Exit code 0: the model fits. Each
    line names the next step, and for the model its file and line.

    Examples:

        mediatool model check
        mediatool model check --source $(mediatool latest) --json
    """
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.core.resolution import resolve

    config = _config(source)
    path = config.model
    try:
        model = load_model(path)
        with _tables(source) as tables:
            against = tables.name
            excluded = config.exclude_tables if source is None else tables.excluded
            found = resolve(model, tables.schema, excluded)
            restore, notes = restore_problems(tables, config), restore_notes(tables)
    except BadModel as error:
        if not json:
            raise
        print_json({"verdict": "mistakes", "model": str(path), "problems": error.problems})
        raise typer.Exit(error.exit_code) from error
    drift = sorted((r for r in found.remarks if r.drift), key=lambda r: r.line)
    problems = [model.at(remark.line, f"{remark.text}; {remark.fix}") for remark in drift]
    if json:
        verdict = "drift" if drift else "no restore" if restore else "fit"
        told = {"verdict": verdict, "model": str(path), "problems": problems, "restore": restore}
        print_json(told | {"notes": notes})
    else:
        for line in (*problems, *restore, *notes):
            echo(line)
        fits = "has drifted" if drift else "fits, but a restore would fail" if restore else "fits"
        echo(f"{path.name} {fits}: {against}")
    raise typer.Exit(1 if problems or restore else 0)


def _config(source: str | None) -> Settings:
    """The settings; a local file needs no server."""
    return settings("postgres_url") if source is None else settings_for(source)


@contextmanager
def _tables(source: str | None) -> Iterator["TableSource"]:
    """The tables of a file, a version, or by default the live source."""
    from mediatool_assets.archive.reader import ArchiveReader
    from mediatool_assets.infer.flow import ArchivedTables, LiveTables

    config = _config(source)
    if source is None:
        from mediatool_assets.stores.postgres_source import PostgresSource

        with PostgresSource.of(config).snapshot() as snapshot:
            yield LiveTables(snapshot)
        return
    yield ArchivedTables(ArchiveReader(opened(source, config, allow_unsigned=True)))


def _inferred(tables: "TableSource", sample: int) -> "Inferred":
    from mediatool_assets.infer.flow import infer as propose
    from mediatool_assets.work.scratch import workspace

    own = replace(read_settings(), dask_scheduler=None)  # keys are files of this machine
    with (
        working(f"inferring a model of {tables.name}") as progress,
        workspace(own, progress) as work,
    ):
        return propose(tables, work, sample=sample)


def _write_risks(found: "Inferred", path: Path) -> None:

    from mediatool_assets.infer.placement import markdown

    if path.suffix == ".json":
        path.write_bytes(pretty(found.risks))
    else:
        path.write_text(markdown(found.risks), "utf-8")


def _left_behind(found: "Inferred") -> str:
    from mediatool_assets.core.manifest import in_few_words

    left = in_few_words(found.risks.not_carried) or "nothing"
    return f"not carried by any version: {left}; --risks FILE lists each with its reason"


def _summary(found: "Inferred", output: Path) -> str:
    declared = sum(relation.certain for relation in found.relations)
    collections = sum(entity.home is None for entity in found.entities.values())
    return (
        f"{output}: {len(found.entities)} tables in {collections} collections; {declared} declared "
        f"references and {len(found.relations) - declared} that nobody declared; "
        f"{len(found.risks.risks)} risks. Set MEDIATOOL_MODEL={output} to use it"
    )
