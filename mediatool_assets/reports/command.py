"""``report``: a stored report of a day."""

import re
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import echo, working
from mediatool_assets.core.errors import Misuse
from mediatool_assets.core.version import Report, Version
from mediatool_assets.stores.environment import settings
from mediatool_assets.versions import arguments

if TYPE_CHECKING:
    from mediatool_assets.stores.s3 import S3Objects

_NAMES: dict[str, Report] = {
    "metrics": "daily-metrics-comparison",
    "integrity": "data-integrity-report",
    "comparison": "version-comparison",
}


def report(
    which: Annotated[
        str | None,
        typer.Argument(
            metavar="[VERSION|DATE]",
            help="Default: the newest version.",
            autocompletion=arguments.versions,
        ),
    ] = None,
    name: Annotated[
        Literal["metrics", "integrity", "comparison"],
        typer.Option(
            help="Metrics, integrity of all stores, or comparison with the version before."
        ),
    ] = "metrics",
    wanted: Annotated[
        Literal["json", "html", "markdown"] | None,
        typer.Option("--format", help="Default: by the ending of --output, else Markdown."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", dir_okay=False, help="Write the report here. Default: print it."
        ),
    ] = None,
    site: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            file_okay=False,
            help="Write the site of all versions and reports into this folder; open index.html.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Print or fetch a report of a day: what changed, and whether all stores agree.

    The reports of a day describe its newest complete version.

    docs/explanation/is-it-right.md says which check to use when.

    Examples:

        mediatool report
        mediatool report 2025-06-21 --output metrics.html
        mediatool report $(mediatool latest) --name integrity --json
        mediatool report --site reports
    """
    from mediatool_assets.pages import format_of
    from mediatool_assets.reports.site import report_of
    from mediatool_assets.stores.s3 import S3Objects

    objects = S3Objects.of(settings())
    if site is not None:
        _write_site(objects, site, which, wanted, output, json)
        return
    if json and wanted not in (None, "json"):
        raise Misuse(f"--json cannot be used with --format {wanted}; leave one out")
    form = "json" if json else wanted or (format_of(output) if output else "markdown")
    partition, version = _which(objects, which)
    data = report_of(objects, _NAMES[name], partition, version, form)
    if output is None:
        echo(data.decode().rstrip())
    else:
        output.write_bytes(data)
        echo(output)


def _write_site(objects: "S3Objects", folder: Path, which: str | None, *others: object) -> None:
    if which is not None or any(others):
        raise Misuse("--site writes every report; name no version, format or file with it")
    from mediatool_assets.reports.site import write

    with working("writing the site"):
        index = write(objects, folder)
    echo(index)


def _which(objects: "S3Objects", which: str | None) -> tuple[str, Version | None]:
    """The partition, and the version if one was named; raises Misuse, NotFound."""
    if which is None:
        from mediatool_assets.versions import catalog

        return catalog.latest(objects).version.partition, None
    if re.fullmatch(r"\d{4}-\d\d-\d\d", which):
        try:
            return date.fromisoformat(which).isoformat(), None
        except ValueError as error:
            raise Misuse(f"{which} is not a date; write YYYY-MM-DD") from error
    from mediatool_assets.versions.catalog import named_version

    version = named_version(objects, which)
    return version.partition, version
