"""The day's cost report in the bucket: ``postgres-exports/bucket/costs/{date}`` .json and .html."""

from mediatool_assets.domain.costs.inventory import BilledInventory
from mediatool_assets.domain.costs.report import Costs
from mediatool_assets.domain.keys import RECORDS_PREFIX
from mediatool_assets.flows.costs.rendering import render
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import keep

COSTS_PREFIX = RECORDS_PREFIX + "costs/"


def publish(objects: ObjectStore, inventory: BilledInventory, found: Costs) -> str:
    """Keep both forms, a later one of the day in the place of an earlier; the page's key."""
    day = f"{COSTS_PREFIX}{inventory.taken:%Y-%m-%d}"
    keep(objects, f"{day}.json", render(found, "json"))
    keep(objects, f"{day}.html", render(found, "html"))
    return f"{day}.html"
