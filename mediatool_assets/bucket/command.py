"""``bucket plan``, ``check`` and ``apply``: the configuration of the bucket.

``costs``: what the bucket costs now, what is overdue, and a forecast.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mediatool_assets.cli import (
    Format,
    Json,
    echo,
    print_json,
    print_page,
    print_table,
    replacing,
    working,
)
from mediatool_assets.core.errors import Misuse
from mediatool_assets.stores.environment import read_settings, settings

if TYPE_CHECKING:
    from mediatool_assets.bucket.flow import Applied, Plan
    from mediatool_assets.bucket.rules import Change
    from mediatool_assets.core.inventory import BilledInventory

app = typer.Typer()

DocumentName = Literal[
    "bucket-policy",
    "pipeline-role",
    "read-only-role",
    "pruning-role",
    "rds-export-role",
    "rds-export-trust",
]


@app.callback(invoke_without_command=True)
def _root(context: typer.Context) -> None:
    """The configuration of the bucket: `plan` shows it, `check` compares it, `apply` sets it."""
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())  # noqa: TID251  # our own text, in colours


@app.command()
def plan(
    prices: Annotated[
        Path | None,
        typer.Option(metavar="FILE", exists=True, dir_okay=False, help="Another table of prices."),
    ] = None,
    document: Annotated[
        DocumentName | None, typer.Option(help="Print this policy document, and nothing else.")
    ] = None,
    json: Json = False,
) -> None:
    """Show the rules of the bucket, how they differ from the storage description, and their costs.

    Needs no server. Costs are storage costs, in dollars per month for each GB written per day.

    Examples:

        mediatool bucket plan
        mediatool bucket plan --document pipeline-role > pipeline-role.json
    """
    from mediatool_assets.bucket import flow as bucket
    from mediatool_assets.bucket.flow import SHIPPED_PRICES, read_prices
    from mediatool_assets.core.bucket import Declaration

    table = read_prices(prices or SHIPPED_PRICES)
    made = bucket.plan(Declaration.of(read_settings()), table)
    if document is not None:
        print_json(made.documents[document])
    elif json:
        print_json(made)
    else:
        _print_plan(made)


@app.command()
def check(
    fix: Annotated[
        bool, typer.Option("--fix", help="Also print the commands that set what differs.")
    ] = False,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", dir_okay=False, help="Also write it as a page."),
    ] = None,
    json: Json = False,
) -> None:
    """Compare the live bucket with the declaration: a line for each control.

    Each is passed, failed, or unknown if it cannot be read. Exit code 1 unless all passed.

    Examples:

        mediatool bucket check
        mediatool bucket check --fix
        mediatool bucket check --html bucket.html
        mediatool bucket check --json
    """
    from mediatool_assets.bucket import flow as bucket
    from mediatool_assets.bucket.flow import COMMANDS, page
    from mediatool_assets.bucket.rules import PostureRecord
    from mediatool_assets.core.bucket import Declaration
    from mediatool_assets.core.metadata import instant
    from mediatool_assets.stores.s3_bucket import S3Bucket

    config = settings()
    found = bucket.check(Declaration.of(config), S3Bucket.of(config))
    made = page(PostureRecord(config.s3_bucket, instant(datetime.now(UTC)), found))
    if html is not None:
        from mediatool_assets.pages import html as rendered

        html.write_text(rendered(made), encoding="utf-8")
    if json:
        print_json({"bucket": config.s3_bucket, "controls": found})
    else:
        print_page(made, leaving_out=() if fix else (COMMANDS,))
        if not fix and any(control.commands for control in found):
            echo("\n`mediatool bucket check --fix` prints the commands that set what differs")
    if any(control.verdict != "passed" for control in found):
        raise typer.Exit(1)


@app.command()
def apply(
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="ASPECT", help="Set this aspect even if that weakens the bucket."),
    ] = None,
    create: Annotated[
        bool, typer.Option("--create", help="Create the bucket first if it does not exist.")
    ] = False,
    json: Json = False,
) -> None:
    """Set what differs from the declaration. Changes that weaken the bucket need --allow.

    All changes are printed before the first is made. Running it again changes nothing. If this
    identity has no right to make a change, the command for it is printed, and the exit code is 1.

    Examples:

        mediatool bucket apply
        mediatool bucket apply --create
        mediatool bucket apply --allow lifecycle
    """
    from mediatool_assets.bucket import flow as bucket
    from mediatool_assets.core.bucket import Declaration
    from mediatool_assets.core.bucket_policies import ASPECTS
    from mediatool_assets.core.errors import Misuse
    from mediatool_assets.stores.s3_bucket import S3Bucket

    wrong = [name for name in allow or () if name not in ASPECTS]
    if wrong:
        raise Misuse(f"--allow {' '.join(wrong)}: no such aspect; choose from {', '.join(ASPECTS)}")
    config = settings()
    shown: list[Change] = []
    announce = shown.append if json else _print_change
    store = S3Bucket.of(config)
    if create and store.create(locked=config.s3_object_lock_days is not None) and not json:
        echo(f"made       s3://{config.s3_bucket}")
    done = bucket.apply(Declaration.of(config), store, allow or (), announce)
    if json:
        print_json({"bucket": config.s3_bucket, "changes": shown, **asdict(done)})
    else:
        _print_applied(done)
    if done.failed:
        raise typer.Exit(1)


def _print_plan(made: "Plan") -> None:
    echo(f"bucket {made.bucket}\n")
    print_table(
        ("RULE", "APPLIES TO", "DOES", "$/MONTH"),
        [(r.id, r.applies_to, r.does, _dollars(r.monthly)) for r in made.lifecycle],
    )
    echo(f"\n$ a month for each GB written a day; prices of {made.prices.dated}, ", nl=False)
    echo(f"{made.prices.region}; - means that it grows without limit or has no cost per object")
    for warning in made.warnings:
        echo(f"warning: {warning}")
    for departure in made.departures:
        echo(f"\ndiffers from the storage description: {departure.about}")
        echo(f"  the storage description: {departure.wish}{_cost(departure.wish_cost)}")
        echo(f"  here:     {departure.shipped}{_cost(departure.shipped_cost)}")
        echo(f"  because:  {departure.reason}")
    echo("\nchosen where the storage description says nothing")
    for rule in made.lifecycle:
        if rule.reason:
            echo(f"  {rule.id}: {rule.reason}")
    echo("\nsettings")
    from mediatool_assets.core.bucket_policies import command

    for aspect, document in made.settings.items():
        echo(f"  {command(made.bucket, aspect, document)}")
    echo(f"\npolicy documents: --document {'|'.join(made.documents)}")


def _dollars(amount: float | None) -> str:
    return "-" if amount is None else f"{amount:.2f}"


def _cost(amount: "float | Literal['grows'] | None") -> str:
    if amount is None:
        return ""
    return " (grows without end)" if amount == "grows" else f" (${amount:.2f} a month)"


def _print_change(change: "Change") -> None:
    from json import dumps

    before = "nothing" if change.before is None else dumps(change.before, default=str)
    echo(f"{change.aspect}\n  was: {before}\n  set: {dumps(change.after)}")


def _print_applied(done: "Applied") -> None:
    for aspect in done.set:
        echo(f"set        {aspect}")
    for aspect in done.unchanged:
        echo(f"unchanged  {aspect}")
    for aspect, why in done.failed.items():
        echo(f"not set    {aspect}: {why}")
    for line in done.commands:
        echo(f"  {line}")


def costs(
    prices: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A table of prices other than the shipped one.",
        ),
    ] = None,
    inventory: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            help="A stored inventory; no server is needed.",
        ),
    ] = None,
    wanted: Format = None,
    output: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Write the report; replaced if there."),
    ] = None,
    json: Json = False,
) -> None:
    """Report the cost of the bucket: every object version, delete marker and unfinished upload.

    The cost now by prefix and storage class, objects that should have moved or expired, a forecast
    of twelve months, the cost of retrieving an archive, and the savings of the four strategies.
    Reads the bucket, and writes nothing to it.

    Examples:

        mediatool costs
        mediatool costs --output costs.html
    """
    if wanted is not None and output is None:
        raise Misuse("--format is the format of --output; add --output FILE, or remove --format")
    from mediatool_assets.bucket.cost_report import costs as reckoned
    from mediatool_assets.bucket.cost_report import page, render
    from mediatool_assets.bucket.flow import SHIPPED_PRICES, read_prices
    from mediatool_assets.pages import format_of

    table = read_prices(prices or SHIPPED_PRICES)
    found = reckoned(_taken() if inventory is None else _kept(inventory), table)
    if output is not None:
        with replacing(output) as written:
            written.write_bytes(render(found, wanted or format_of(output)))
    if json:
        print_json(found)
    else:
        print_page(page(found))


def _taken() -> "BilledInventory":
    from mediatool_assets.bucket.flow import take_inventory
    from mediatool_assets.core.bucket import Declaration
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.stores.s3_bucket import S3Bucket, S3Inventory

    config = settings()
    objects = S3Objects.of(config, allow_unsigned=True)
    with working(f"listing {objects.uri('')}"):
        return take_inventory(
            Declaration.of(config),
            objects,
            S3Inventory(objects).items(),
            S3Bucket.of(config),
            datetime.now(UTC),
        )


def _kept(path: Path) -> "BilledInventory":
    from mediatool_assets.bucket.flow import inventory_from_parquet

    return inventory_from_parquet(path.read_bytes(), str(path))
