"""Charts as HTML and SVG with the page's text and colours, at any width."""

from mediatool_assets.domain.page import BarChart, LineChart
from mediatool_assets.flows.reports.escaping import escape

_CHARTED = 15  # maximum bars of a chart; the tables list all
_DOTTED = 60  # maximum points of a line that get a dot
_WIDTH = 82  # percent of the row for the bar; the rest is for its number

_COLOURS = {
    "added": "added", "removed": "removed", "changed": "changed",
    "surplus": "added", "missing": "removed", "differs": "changed",
}  # fmt: skip
"""The kinds of changes and defects in bars, with the page's colours."""


def bars(chart: BarChart) -> str:
    """Horizontal bars, longest first, each split by kind, with a legend."""
    totals = [(name, counts, sum(counts.values())) for name, counts in chart.bars]
    found = sorted((row for row in totals if row[2]), key=lambda row: (-row[2], row[0]))
    longest, more = found[0][2], len(found) - _CHARTED
    made = []
    for name, counts, total in found[:_CHARTED]:
        parts = "".join(
            f"<i class='{_COLOURS[kind]}' title='{count:,} {kind}' "
            f"style='width: {_WIDTH * count / longest:.2f}%'></i>"
            for kind, count in counts.items()
            if count
        )
        says = ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count)
        made.append(
            f"<li><span>{escape(name)}</span>"
            f"<span class='bar' role='img' aria-label='{says}'>{parts}{total:,}</span></li>"
        )
    legend = "".join(f"<span><i class='{_COLOURS[kind]}'></i>{kind}</span>" for kind in found[0][1])
    rest = f"<p class='dim'>and {more:,} more</p>" if more > 0 else ""
    return f"<p class='legend dim'>{legend}</p><ul class='bars'>{''.join(made)}</ul>{rest}"


def line(chart: LineChart) -> str:
    """A line over the full width, scaled between its lowest and highest value."""
    names, values, texts = zip(*chart.points, strict=True)
    low, high = min(values), max(values)
    room = (high - low) or 1
    last = len(values) - 1
    dots = [
        (f"{1000 * place / last:.1f}", f"{95 - 90 * (value - low) / room:.1f}")
        for place, value in enumerate(values)
    ]
    path = " ".join(f"{x},{y}" for x, y in dots)
    tips = "".join(
        f"<g><title>{escape(f'{name}: {text}')}</title><path class='dot' d='M{x} {y}h0'/></g>"
        for (x, y), name, text in zip(dots, names, texts, strict=True)
        if last < _DOTTED
    )
    lowest, highest = (texts[values.index(value)] for value in (low, high))
    says = escape(f"{chart.title}: {names[0]} {texts[0]}, {names[-1]} {texts[-1]}")
    return (
        f"<figure><figcaption>{escape(chart.title)}</figcaption><div class='lines'>"
        f"<div class='y'><span>{escape(highest)}</span><span>{escape(lowest)}</span></div>"
        f"<svg viewBox='0 0 1000 100' preserveAspectRatio='none' role='img' aria-label='{says}'>"
        f"<polyline class='line' points='{path}'/>{tips}</svg>"
        f"<div class='x'><span>{escape(names[0])}</span><span>{escape(names[-1])}</span></div>"
        "</div></figure>"
    )
