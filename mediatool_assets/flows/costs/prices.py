"""Reads a table of prices: the shipped one, or a user's own."""

from pathlib import Path

import msgspec

from mediatool_assets.domain.bucket.rules import WATERFALL
from mediatool_assets.domain.errors import BadSettings
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.prices import Prices

SHIPPED_PRICES = Path(__file__).parents[2] / "prices" / "s3-us-east-1.json"


def read_prices(path: Path) -> Prices:
    """Read a price table from a file; raises BadSettings if it is invalid or lacks a class."""
    step = f"compare it with {SHIPPED_PRICES}"
    try:
        prices = decoded(path.read_bytes(), Prices)
    except msgspec.DecodeError as error:
        raise BadSettings([f"{path} is not a table of prices: {error}", step]) from error
    for part, needed in (
        ("gb_month", {"STANDARD", *WATERFALL}),
        ("put_1000", {"STANDARD", *WATERFALL}),
        ("retrieval", {"STANDARD", *WATERFALL}),
        ("transition_1000", set(WATERFALL)),
    ):
        if missing := needed - set(getattr(prices, part)):
            names = ", ".join(sorted(missing))
            raise BadSettings([f"{path} has no price of {names} in {part}", step])
    return prices
