"""``compare``: what changed between two versions, every table and every row."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli import AllowUnsigned, Format, Json, echo, print_json, replacing, working
from mediatool_assets.core.errors import DamagedInput, Misuse
from mediatool_assets.versions import arguments
from mediatool_assets.versions.arguments import opened, settings_for

if TYPE_CHECKING:
    from mediatool_assets.core.comparison import Comparison

_VERSION = "A version, a day, `latest~N`, or a raw archive (file, s3:// URI)."


def compare(
    version1: Annotated[
        str,
        typer.Option("--version1", metavar="A", help=_VERSION, autocompletion=arguments.versions),
    ],
    version2: Annotated[
        str,
        typer.Option("--version2", metavar="B", help=_VERSION, autocompletion=arguments.versions),
    ],
    output: Annotated[
        Path,
        typer.Option(
            metavar="FILE", dir_okay=False, help="The report; an existing file is replaced."
        ),
    ],
    wanted: Format = None,
    fail_on_difference: Annotated[
        bool, typer.Option("--fail-on-difference", help="Exit code 1 unless both are the same.")
    ] = False,
    allow_unsigned: AllowUnsigned = False,
    json: Json = False,
) -> None:
    """Compare two versions: every row of every table, schemas, sizes and counts.

    Tables with equal fingerprints are not read. Of free text and JSON, the report shows only the
    length. With MEDIATOOL_MASKING_KEY, columns that the masking rules cover are shown masked by
    these rules.

    docs/explanation/is-it-right.md says which check to use when.

    Examples:

        mediatool compare --version1 20250621-020000 --version2 20250622-020000 --output diff.html
        mediatool compare --version1 A-raw.tar.gz --version2 B-raw.tar.gz --output diff.json
    """
    if version1 == version2:
        raise Misuse(f"--version1 and --version2 are both {version1}; name two versions")
    from mediatool_assets.compare.report import headline, problem, render
    from mediatool_assets.pages import format_of

    with replacing(output) as written:
        found = _compared((version1, version2), allow_unsigned=allow_unsigned)
        written.write_bytes(render(found, wanted or format_of(output)))
    if json:
        print_json(found)
    else:
        echo(f"{found.verdict}: {headline(found)} See {output}")
    if found.damaged:
        raise DamagedInput("; ".join(map(problem, found.damaged)))
    if fail_on_difference and found.verdict != "same":
        raise typer.Exit(1)


def _compared(given: tuple[str, str], *, allow_unsigned: bool) -> "Comparison":
    """Compare the two archives; only versions need a bucket."""
    from mediatool_assets.compare.flow import compare as compare_archives
    from mediatool_assets.compare.flow import open_both
    from mediatool_assets.compare.row_digests import Masking
    from mediatool_assets.core.model_file import load_model
    from mediatool_assets.work.scratch import workspace

    config = settings_for(*given)
    sources = open_both(
        *(partial(opened, each, config, allow_unsigned=allow_unsigned) for each in given)
    )
    with (
        working(f"comparing {given[0]} with {given[1]}") as progress,
        workspace(config, progress) as work,
    ):
        model, masking = load_model(config.model), Masking.of(config)
        return compare_archives(sources, work, model=model, masking=masking)
