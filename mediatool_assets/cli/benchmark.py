"""``bench``: the benchmark of a checkout, with separate servers."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from mediatool_assets.domain.errors import Misuse

_SCRIPT = Path(__file__).parents[2] / "benchmarks" / "run.py"


def bench(
    scale: Annotated[float, typer.Option(min=0.001, help="1 is 848,937 rows, 924 MB.")] = 1,
    rounds: Annotated[int, typer.Option(min=1, help="Number of measurements of each stage.")] = 3,
    alone: Annotated[
        bool, typer.Option("--alone", help="Do not measure the native tools.")
    ] = False,
    against: Annotated[
        Path | None,
        typer.Option(metavar="PATH", help="Also measure this other checkout of the project."),
    ] = None,
    postgres: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            help="With --against: the programs of another PostgreSQL for both.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure every stage and the native tools, on separate servers.

    With `--against`, the stages of two checkouts are measured in turn. Run `make install` in the
    other one first. The local PostgreSQL has no LZ4; `--postgres` measures with one that does.

    Results are written to `benchmarks/results/` of the checkout.

    Examples:

        mediatool bench --scale 0.1 --rounds 1
        mediatool bench --alone --scale 10 --rounds 1 --json
        mediatool bench --against ../before --scale 1
        mediatool bench --against ../before --postgres /usr/lib/postgresql/17/bin
    """
    if not _SCRIPT.exists():
        raise Misuse(f"{_SCRIPT} does not exist; run the benchmark from a checkout of the sources")
    options = ["--scale", str(scale), "--rounds", str(rounds)]
    options += ["--alone"] * alone + ["--json"] * json
    if against is not None:
        options += ["--against", str(against)]
    if postgres is not None:
        if against is None:
            raise Misuse("--postgres needs --against; add --against PATH")
        options += ["--postgres", str(postgres)]
    ended = subprocess.run([sys.executable, str(_SCRIPT), *options], check=False)
    raise typer.Exit(ended.returncode)
