"""Charts as inline SVG, drawn by matplotlib in the colours of the page, light or dark."""

import re
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from typing import TYPE_CHECKING
from warnings import catch_warnings, filterwarnings

from mediatool_assets.domain.visible import visible
from mediatool_assets.flows.page.escaping import escape

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes

_CHARTED = 15  # bars of a chart; more are told in the tables below
_WIDTH = 9.6  # inches, of 72 points each
_LONGEST_NAME = 40  # characters

_COLOURS = {
    "text": "#010101", "line": "#020202", "added": "#030303", "removed": "#040404",
    "changed": "#050505",
}  # fmt: skip
"""What matplotlib draws with, and the page's colour that each stands for."""

Show = Callable[[int], str]
"""A value of a chart as text, exact enough to tell two that are close."""

CHANGES = ("added", "removed", "changed")
DEFECTS = ("surplus", "missing", "differs")
"""What parts of bars are of: in the same colours, one after the other."""

_SHADES = {
    kind: _COLOURS[colour]
    for kinds in (CHANGES, DEFECTS)
    for colour, kind in zip(CHANGES, kinds, strict=True)
}

_CLUTTER = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<metadata>.*?</metadata>|<defs>.*?</defs>|<!--.*?-->"
    r"| xmlns(:\w+)?=\"[^\"]*\"| clip-path=\"[^\"]*\"| id=\"(?!tip)[^\"]*\"",
    re.DOTALL,
)
_STYLE = re.compile(r"font-family: [^;\"]*; | transform=\"rotate\(-0 [^\"]*\"")
_SPACE = re.compile(r"\s+")


def legend(kinds: tuple[str, str, str] = CHANGES) -> str:
    """What the colours of changes or defects mean."""
    spans = (
        f"<span><i style='background: var(--{colour})'></i>{kind}</span>"
        for colour, kind in zip(CHANGES, kinds, strict=True)
    )
    return f"<p class='legend dim'>{''.join(spans)}</p>"


def bars(rows: Sequence[tuple[str, Mapping[str, int]]]) -> str:
    """Horizontal bars, the longest first, each of parts by kind; nothing where there is none."""
    rows = sorted(rows, key=lambda row: (-sum(row[1].values()), row[0]))
    shown = rows[:_CHARTED]
    if not shown:
        return ""
    drawing = _Drawing(0.32 * len(shown) + 0.2)
    axes = drawing.axes((0.37, 0.0, 0.55, 1.0))
    longest = sum(shown[0][1].values())
    for place, (name, counts) in enumerate(shown):
        end = 0.0
        for kind, count in counts.items():
            if count:
                length = max(count, longest / 300)
                (part,) = axes.barh(place, length, 0.7, end, color=_SHADES[kind])
                drawing.tip(part, f"{name}: {count:,} {kind}")
                end += length
        drawing.write(axes, end + longest / 90, place, f"{sum(counts.values()):,}", "left")
        text = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
        drawing.write(axes, -longest / 90, place, text, "right")
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.set_xlim(0, longest * 1.02)
    axes.axis("off")
    more = len(rows) - len(shown)
    return drawing.svg() + (f"<p class='dim'>and {more:,} more</p>" if more else "")


def lines(title: str, names: Sequence[str], values: Sequence[int], show: Show) -> str:
    """One figure over versions from left to right; nothing of fewer than two."""
    if len(values) < 2:
        return ""
    drawing = _Drawing(2.3)
    axes = drawing.axes((0.1, 0.14, 0.86, 0.7))
    axes.set_title(title, loc="left", fontsize=10, color=_COLOURS["text"])
    axes.plot(range(len(values)), values, color=_COLOURS["changed"], linewidth=1.6, clip_on=False)
    for place, (name, value) in enumerate(zip(names, values, strict=True)):
        (dot,) = axes.plot(
            [place, place],
            [value, value],
            color=_COLOURS["changed"],
            linewidth=6,
            solid_capstyle="round",
            clip_on=False,
        )
        drawing.tip(dot, f"{name}: {show(value)}")
    low, high = min(values), max(values)
    room = (high - low) * 0.15 or max(1, high * 0.05)
    axes.set_ylim(max(0, low - room), high + room)
    drawing.frame(axes, names, show)
    return drawing.svg()


class _Drawing:
    """One figure, and the tips that a pointer brings up."""

    def __init__(self, height: float) -> None:
        from matplotlib.figure import Figure  # noqa: PLC0415  # slow, and only reports draw

        self._figure: Figure = Figure(figsize=(_WIDTH, height))
        self._tips: list[str] = []

    def axes(self, place: tuple[float, float, float, float]) -> "Axes":
        """An empty plot within the figure: left, bottom, width and height as shares of it."""
        return self._figure.add_axes(place)

    def tip(self, artist: "Artist", text: str) -> None:
        """Say something of a part of the chart."""
        artist.set_gid(f"tip{len(self._tips)}")
        self._tips.append(text)

    def write(self, axes: "Axes", x: float, y: float, text: str, align: str) -> None:
        """A text in the plot, of which nothing is markup."""
        shown, colour = visible(text), _COLOURS["text"]
        axes.text(x, y, shown, ha=align, va="center", color=colour, parse_math=False, fontsize=10)

    def frame(self, axes: "Axes", names: Sequence[str], show: Show) -> None:
        """Grid lines with what they stand for, and the first, middle and last name below."""
        axes.set_frame_on(False)
        axes.grid(axis="y", color=_COLOURS["line"], linewidth=0.8)
        axes.tick_params(bottom=False, left=False, labelcolor=_COLOURS["text"], labelsize=9)
        places = sorted({0, (len(names) - 1) // 2, len(names) - 1})
        axes.set_xticks(places, [visible(names[place]) for place in places], parse_math=False)
        axes.locator_params(axis="y", nbins=4, integer=True)
        axes.yaxis.set_major_formatter(lambda value, _: show(int(value)))

    def svg(self) -> str:
        """The drawing, which names nothing outside of itself."""
        from matplotlib import rc_context  # noqa: PLC0415  # slow, and only reports draw

        out = StringIO()
        with (
            rc_context({"svg.fonttype": "none", "svg.hashsalt": "mediatool"}),
            catch_warnings(),
        ):
            # the browser draws the text, with fonts that know more scripts than matplotlib's own
            filterwarnings("ignore", r"Glyph .* missing from", UserWarning)
            self._figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
        text = _SPACE.sub(" ", _STYLE.sub("", _CLUTTER.sub("", out.getvalue())))
        for name, colour in _COLOURS.items():
            text = text.replace(colour, f"var(--{name})")
        for number, tip in enumerate(self._tips):
            text = text.replace(f'<g id="tip{number}">', f"<g><title>{escape(tip)}</title>", 1)
        return f"<figure>{text.strip()}</figure>"
