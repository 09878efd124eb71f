"""Earlier versions of a row, computed backwards from the row."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from mediatool_assets.seed.draw import Draw
from mediatool_assets.seed.lookups import Row
from mediatool_assets.seed.sizes import World


@dataclass(frozen=True, slots=True)
class HistoryColumns:
    """Places in a base row, from 0: what earlier versions had differently, and the times.

    ``changeset`` is absent where the base table has none, and the history table then has its own
    column; ``flight`` is the place of a start date, followed by an end date, from which the base
    table generates a column that the history table stores; ``flag`` is the place of is_deleted,
    which only the last version may have set.
    """

    varies: int
    created: int
    updated: int
    changeset: int | None = None
    flight: int | None = None
    flag: int | None = None


SHAPES: Mapping[str, HistoryColumns] = {
    "accounts_history": HistoryColumns(varies=1, created=5, updated=6, flag=8),
    "campaigns_history": HistoryColumns(varies=2, created=16, updated=17, flag=19),
    "users_history": HistoryColumns(varies=2, created=5, updated=6),
    "teams_history": HistoryColumns(varies=1, created=4, updated=5),
    "reps_history": HistoryColumns(varies=2, created=5, updated=6),
    "rate_card_history": HistoryColumns(varies=8, created=10, updated=11, flag=9),
    "strategies_history": HistoryColumns(varies=2, created=5, updated=6, changeset=3, flag=4),
    "line_items_history": HistoryColumns(
        varies=2, created=23, updated=24, changeset=21, flight=8, flag=22
    ),
    "line_item_media_buys_history": HistoryColumns(
        varies=3, created=8, updated=9, changeset=6, flag=7
    ),
    "media_buys_history": HistoryColumns(varies=2, created=12, updated=13, changeset=10, flag=11),
    "media_platform_entities_history": HistoryColumns(varies=5, created=7, updated=8),
}


def version_count(total: int, n: int, base_rows: int) -> int:
    """Distribute ``total`` history rows over ``base_rows``: every second row has more.

    Each base row has at least one if ``total`` is not less than ``base_rows``.
    """
    share = (n + 1) * total // base_rows - n * total // base_rows
    least = total // base_rows
    moved = least // 2
    if n % 2 == 0 and n + 1 < base_rows:
        return share + moved
    return share - moved if n % 2 else share


def versions(world: World, table: str, row: Row, n: int, base_rows: int) -> Iterator[Row]:
    """Make the history rows of the n-th base row; the last one is its current state."""
    shape = SHAPES[table]
    count = version_count(world[table], n, base_rows)
    draw = Draw(table, n)
    created, updated = row[shape.created], row[shape.updated]
    if not (isinstance(created, datetime) and isinstance(updated, datetime)):
        raise TypeError(f"{table}: the times of a base row are datetimes")
    step = (updated - created) / count
    for version in range(1, count + 1):
        since = created + step * (version - 1)
        until = None if version == count else created + step * version
        values = list(row)
        if until is not None:
            values[shape.varies] = f"{row[shape.varies] or 'Draft'} v{version}"
            values[shape.updated] = since
            if shape.flag is not None:
                values[shape.flag] = False
        changed: int | None = 1 + draw.below(world["changesets"])
        if shape.changeset is None:
            values.append(changed)
        elif until is not None:
            values[shape.changeset] = changed
        if shape.flight is not None:
            values.append(_flight_days(*row[shape.flight : shape.flight + 2]))
        yield (*values, version, since, until)


def _flight_days(start: object, end: object) -> int | None:
    if isinstance(start, date) and isinstance(end, date):
        return (end - start).days + 1
    return None
