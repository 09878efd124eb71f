"""Charts of the last versions: rows and sizes."""

from collections.abc import Callable, Sequence

from mediatool_assets.domain.metrics import ChartPoint
from mediatool_assets.domain.page import LineChart, Section
from mediatool_assets.flows.reports.figures import number, sizes


def history(points: Sequence[ChartPoint]) -> Section:
    """A section with the charts; empty for the first version."""
    data = [point.data_size_bytes for point in points]
    packed = [point.archive_size_bytes for point in points]
    rows = [point.total_records for point in points]

    def chart(title: str, values: Sequence[int], show: Callable[[int], str]) -> LineChart:
        names = [point.version for point in points]
        return LineChart(
            title, [(n, value, show(value)) for n, value in zip(names, values, strict=True)]
        )

    return Section(
        f"The last {len(points)} versions",
        [
            chart("Rows", rows, number),
            chart("Data (JSON, uncompressed)", data, sizes(data)),
            chart("Raw archive (compressed)", packed, sizes(packed)),
        ],
        detail="full",
    )
