"""Charts of the last versions: rows, and what they take."""

from collections.abc import Iterator, Sequence

from mediatool_assets.domain.metrics import Point
from mediatool_assets.flows.page.charts import lines
from mediatool_assets.flows.page.document import section
from mediatool_assets.flows.page.figures import number, sizes


def history(points: Sequence[Point]) -> str:
    """A section of them; nothing of the first version."""
    return section(f"The last {len(points)} versions", *_charts(points))


def _charts(points: Sequence[Point]) -> Iterator[str]:
    names = [point.version for point in points]
    yield lines("Rows", names, [point.total_records for point in points], number)
    data = [point.data_size_bytes for point in points]
    yield lines("Data (JSON, uncompressed)", names, data, sizes(data))
    packed = [point.archive_size_bytes for point in points]
    yield lines("Raw archive (compressed)", names, packed, sizes(packed))
