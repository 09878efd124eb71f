"""``integrity``: every store of a version compared with every other, down to single values."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import Format, Json, echo, print_json, print_page, replacing, working
from mediatool_assets.cli.launch import stores
from mediatool_assets.core.version import Version
from mediatool_assets.stores.environment import settings
from mediatool_assets.versions.command import VersionArgument, named

if TYPE_CHECKING:
    from mediatool_assets.integrity.plan import Integrity


def integrity(
    version: VersionArgument,
    sample: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="Compare the values of only this share of the rows, a different one each day.",
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", dir_okay=False, help="Write the report here.")
    ] = None,
    wanted: Format = None,
    json: Json = False,
) -> None:
    """Compare the stores of a version with each other: counts, content, and each value.

    Source counts, raw archive, restored PostgreSQL, transformed archive, MongoDB and dump are read
    to their end. Documents are split into rows again and compared with the raw rows, value by
    value. References, copies, duplicates and indexes are checked too. Exit code 1 if something
    failed or is unknown.

    docs/explanation/is-it-right.md says which check to use when.

    Examples:

        mediatool integrity latest
        mediatool integrity 20250621-143000 --sample 10 --output report.html
    """
    from mediatool_assets.integrity.report import page, render
    from mediatool_assets.pages import format_of

    report = _report(named(version), sample)
    if output is not None:
        with replacing(output) as written:
            written.write_bytes(render(report, wanted or format_of(output)))
    if json:
        print_json(report)
    elif output is None and wanted is not None:
        echo(render(report, wanted).decode(), nl=False)
    else:
        print_page(page(report))
    raise typer.Exit(0 if report.verdict == "passed" else 1)


def _report(version: Version, sample: float | None) -> "Integrity":
    from mediatool_assets.compare.row_digests import Masking
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.integrity.flow import integrity as compare_stores
    from mediatool_assets.work.scratch import workspace

    own = settings()
    with (
        working(f"reading all stores of {version}") as progress,
        workspace(own, progress) as work,
    ):
        return compare_stores(
            stores(own),
            work,
            version,
            load_model(own.model),
            sample=sample if sample is not None else own.integrity_sample,
            masking=Masking.of(own),
        )
