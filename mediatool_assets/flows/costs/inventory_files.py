"""The inventory of each day as a Parquet file in the bucket.

The key is ``postgres-exports/bucket/inventory/{date}.parquet``. The file's metadata holds, under
``mediatool``, the bucket, the time, the rules and the newest version's archives as JSON, so that
costs can be calculated again from the file alone.
"""

import io
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from mediatool_assets.domain.costs.inventory import (
    ActiveRules,
    ArchiveSizes,
    BilledInventory,
    StoredItem,
)
from mediatool_assets.domain.errors import DamagedInput
from mediatool_assets.domain.json_documents import decoded
from mediatool_assets.domain.keys import RECORDS_PREFIX
from mediatool_assets.flows.ports import ObjectStore
from mediatool_assets.flows.reports import storage

INVENTORY_PREFIX = RECORDS_PREFIX + "inventory/"

_ABOUT = b"mediatool"
_MOMENT = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
        pa.field("storage_class", pa.string(), nullable=False),
        pa.field("modified", _MOMENT, nullable=False),
        pa.field("superseded", _MOMENT),
        pa.field("testing", pa.bool_(), nullable=False),
        pa.field("lone", pa.bool_(), nullable=False),
    ]
)


class _About(msgspec.Struct, frozen=True):
    """The facts that are not in the rows."""

    bucket: str
    taken: datetime
    rules: ActiveRules
    newest: ArchiveSizes | None


def inventory_key(inventory: BilledInventory) -> str:
    """The key of the inventory of its day."""
    return f"{INVENTORY_PREFIX}{inventory.taken:%Y-%m-%d}.parquet"


def keep(objects: ObjectStore, inventory: BilledInventory) -> str:
    """Store it as its day's inventory, replacing an earlier one; returns the key."""
    storage.keep(objects, key := inventory_key(inventory), inventory_to_parquet(inventory))
    return key


def inventory_to_parquet(inventory: BilledInventory) -> bytes:
    """The inventory as a Parquet file."""
    about = _About(inventory.bucket, inventory.taken, inventory.rules, inventory.newest)
    schema = _SCHEMA.with_metadata({_ABOUT: msgspec.json.encode(about)})
    columns = {name: [getattr(item, name) for item in inventory.items] for name in schema.names}
    out = io.BytesIO()
    pq.write_table(pa.table(columns, schema=schema), out, compression="zstd")
    return out.getvalue()


def inventory_from_parquet(data: bytes, name: str) -> BilledInventory:
    """Read an inventory back; raises DamagedInput, naming the file, on anything else."""
    try:
        table = pq.read_table(io.BytesIO(data))
        about = decoded((table.schema.metadata or {})[_ABOUT], _About)
        rows: list[dict[str, Any]] = table.to_pylist()
        items = tuple(
            StoredItem(**row | {"modified": row["modified"].astimezone(UTC)}) for row in rows
        )
    except (pa.ArrowException, msgspec.MsgspecError, KeyError, TypeError) as error:
        raise DamagedInput(
            f"{name} is not an inventory of `bucket/costs` ({type(error).__name__}: {error}); "
            "name another day's"
        ) from error
    return BilledInventory(about.bucket, about.taken, items, about.rules, about.newest)
