"""``costs``: what the bucket costs now, what is overdue, and a forecast."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mediatool_assets.cli.output import Format, Json, print_json, print_page, replacing
from mediatool_assets.cli.progress import working
from mediatool_assets.domain.errors import Misuse
from mediatool_assets.stores.environment import settings

if TYPE_CHECKING:
    from mediatool_assets.domain.costs.inventory import BilledInventory


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
    from mediatool_assets.domain.costs.report import costs as reckoned
    from mediatool_assets.flows.costs.prices import SHIPPED_PRICES, read_prices
    from mediatool_assets.flows.costs.report import page, render
    from mediatool_assets.flows.reports.formats import format_of

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
    from mediatool_assets.domain.bucket.declaration import Declaration
    from mediatool_assets.flows.costs.inventory import take_inventory
    from mediatool_assets.stores.s3 import S3Objects
    from mediatool_assets.stores.s3_bucket import S3Bucket
    from mediatool_assets.stores.s3_inventory import S3Inventory

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
    from mediatool_assets.flows.costs.inventory_files import inventory_from_parquet

    return inventory_from_parquet(path.read_bytes(), str(path))
