"""The comparison as one HTML file: no network, light and dark, sortable, charts as inline SVG."""

from collections.abc import Iterable, Iterator, Sequence
from html import escape

from mediatool_assets.domain.comparison import Comparison, TableComparison
from mediatool_assets.flows.compare import wording

_CHARTED = 15  # bars of a chart; more are told in the tables below
_BAR = (22, 260, 560)  # height of a bar, width of its name, width of the longest bar; in pixels

_KINDS = ("added", "removed", "changed")

_HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>%s</title>
<style>
:root { color-scheme: light dark; --back: #fbfbfa; --card: #fff; --text: #1d2126; --dim: #5d6671;
  --line: #dcdfe3; --added: #12805c; --removed: #c2410c; --changed: #2563ab; --unknown: #8a6100 }
@media (prefers-color-scheme: dark) { :root { --back: #14171a; --card: #1c2024; --text: #e6e8ea;
  --dim: #9aa3ad; --line: #343a41; --added: #3fb68b; --removed: #f08a5d; --changed: #6ea8e6;
  --unknown: #d6a93a } }
body { margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem 4rem; background: var(--back);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem }
p { margin: .5rem 0 } .dim { color: var(--dim) }
.verdict { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; color: var(--back);
  font-size: .95rem; vertical-align: middle; background: var(--unknown) }
.verdict.same { background: var(--added) } .verdict.different { background: var(--changed) }
.cards { display: flex; flex-wrap: wrap; gap: .8rem; margin-top: 1rem }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .5rem;
  padding: .7rem 1rem; min-width: 8.5rem }
.card b { display: block; font-size: 1.25rem; font-variant-numeric: tabular-nums }
.scroll { overflow-x: auto }
table { border-collapse: collapse; background: var(--card); width: 100%%; font-size: .92rem }
th, td { text-align: left; padding: .35rem .7rem; border: 1px solid var(--line);
  overflow-wrap: break-word; vertical-align: top }
th { position: relative; white-space: nowrap }
.sortable th { cursor: pointer } .sortable th:hover { color: var(--changed) }
th[aria-sort=ascending]::after { content: " ▲" } th[aria-sort=descending]::after { content: " ▼" }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
details { border: 1px solid var(--line); border-radius: .5rem; background: var(--card);
  padding: .5rem 1rem; margin: .5rem 0 }
summary { cursor: pointer } details table { margin: .6rem 0 }
svg { max-width: 100%%; height: auto }
svg text { fill: var(--text); font: 13px system-ui, sans-serif }
.added { fill: var(--added) } .removed { fill: var(--removed) } .changed { fill: var(--changed) }
.legend span { margin-right: 1.2rem } .legend i { display: inline-block; width: .8em; height: .8em;
  border-radius: .15em; margin-right: .35em }
.breaking { color: var(--removed); font-weight: 600 } .warning { color: var(--unknown) }
</style></head><body>
"""

_SCRIPT = """<script>
document.querySelectorAll("table.sortable").forEach(table => {
  table.querySelectorAll("th").forEach((head, column) => {
    head.tabIndex = 0;
    const sort = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      table.querySelectorAll("th").forEach(other => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const of = row => row.cells[column].dataset.value ?? row.cells[column].textContent;
      const rows = [...table.tBodies[0].rows];
      rows.sort((a, b) => {
        const [x, y] = [of(a), of(b)];
        const order = head.className === "n" ? Number(x) - Number(y) : x.localeCompare(y);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", event => { if (event.key === "Enter") sort(); });
  });
});
</script></body></html>
"""


def html(comparison: Comparison) -> str:
    """The whole report."""
    return "".join(_parts(comparison))


def _parts(comparison: Comparison) -> Iterator[str]:
    title = f"{comparison.version1} → {comparison.version2}"
    yield _HEAD % escape(title)
    yield f"<h1>{escape(title)} <span class='verdict {comparison.verdict}'>"
    yield f"{comparison.verdict}</span></h1><p>{escape(wording.headline(comparison))}</p>"
    yield f"<p class='dim'>Compared at {escape(comparison.timestamp)}.</p>"
    yield from _cards(comparison)
    yield from _section("Not compared", _problems(comparison))
    left_out = _table(("Table", "Why"), comparison.left_out.items())
    yield from _section("Left out of both", left_out)
    yield from _section("Where rows differ", _rows_chart(comparison))
    yield from _section("Which columns changed", _columns_chart(comparison))
    yield from _section("Schema changes", _schema(comparison))
    yield from _section("Tables", _tables(comparison))
    differing = ((n, t) for n, t in comparison.details.items() if t.differs)
    yield from _section("What changed", "".join(_details(name, t) for name, t in differing))
    yield _SCRIPT


def _section(title: str, content: str) -> Iterator[str]:
    if content:
        yield f"<h2>{title}</h2>{content}"


def _cards(comparison: Comparison) -> Iterator[str]:
    yield "<div class='cards'>"
    for name, label in wording.METRICS.items():
        if name in comparison.metrics:
            _, after, change = wording.metric(name, comparison.metrics[name])
            if name == "schema_changes":
                after, change = change, ""
            yield f"<div class='card'><span class='dim'>{label}</span><b>{escape(after)}</b>"
            yield f"<span class='dim'>{escape(change) or '&nbsp;'}</span></div>"
    yield "</div>"


def _problems(comparison: Comparison) -> str:
    rows = ((p.table or "the archive", p.version, p.reason) for p in comparison.errors)
    return _table(("Table", "Version", "Why"), rows)


def _schema(comparison: Comparison) -> str:
    rows = "".join(
        f"<tr><td class='{c.severity}'>{c.severity}</td><td>{escape(c.table or '')}</td>"
        f"<td>{escape(str(c))}</td></tr>"
        for c in comparison.schema_changes
    )
    heads = "<tr><th>Severity</th><th>Table</th><th>Change</th></tr>"
    return (
        f"<div class='scroll'><table class='sortable'><thead>{heads}</thead><tbody>{rows}</tbody>"
        "</table></div>"
    ) * bool(rows)


def _rows_chart(comparison: Comparison) -> str:
    bars = [
        (name, {"added": t.added, "removed": t.removed, "changed": t.changed})
        for name, t in comparison.details.items()
        if t.differs
    ]
    legend = "".join(
        f"<span><i style='background: var(--{kind})'></i>{kind}</span>" for kind in _KINDS
    )
    chart = _chart(bars)
    return f"<p class='legend dim'>{legend}</p>{chart}" if chart else ""


def _columns_chart(comparison: Comparison) -> str:
    return _chart(
        [
            (f"{name}.{column}", {"changed": count})
            for name, table in comparison.details.items()
            for column, count in table.field_changes.items()
        ]
    )


def _chart(bars: Sequence[tuple[str, dict[str, int]]]) -> str:
    """Horizontal bars, the longest first, each of one or more parts."""
    shown = sorted(bars, key=lambda bar: (-sum(bar[1].values()), bar[0]))[:_CHARTED]
    if not shown:
        return ""
    height, left, width = _BAR
    longest = sum(shown[0][1].values())
    parts = [
        f"<svg role='img' viewBox='0 0 {left + width + 90} {height * len(shown)}' "
        f"width='{left + width + 90}'>"
    ]
    for place, (name, counts) in enumerate(shown):
        y, x = place * height, float(left)
        text = name if len(name) <= 38 else f"{name[:37]}…"
        parts.append(f"<text x='{left - 8}' y='{y + 15}' text-anchor='end'>{escape(text)}</text>")
        for kind, count in counts.items():
            if not count:
                continue
            length = max(1.5, width * count / longest)
            parts.append(
                f"<rect class='{kind}' x='{x:.1f}' y='{y + 3}' width='{length:.1f}' "
                f"height='{height - 6}'><title>{escape(name)}: {count:,} {kind}</title></rect>"
            )
            x += length
        parts.append(f"<text x='{x + 6:.1f}' y='{y + 15}'>{sum(counts.values()):,}</text>")
    more = len(bars) - len(shown)
    parts.append("</svg>" + (f"<p class='dim'>and {more:,} more</p>" if more else ""))
    return "".join(parts)


def _tables(comparison: Comparison) -> str:
    heads = ("Table", "Before", "After", "Change", "Change %", "Added", "Removed", "Changed")
    cells = "".join(
        f"<th{' class=n' if i else ''}>{head}</th>" for i, head in enumerate((*heads, "Growth"))
    )
    rows = "".join(_table_row(name, table) for name, table in comparison.details.items())
    return (
        f"<div class='scroll'><table class='sortable'><thead><tr>{cells}<th>Matched by</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></div>"
    ) * bool(rows)


def _table_row(name: str, table: TableComparison) -> str:
    growth = table.bytes_v2 - table.bytes_v1
    share = table.count_diff_percent
    figures = [
        (table.count_v1, wording.number(table.count_v1)),
        (table.count_v2, wording.number(table.count_v2)),
        (table.count_diff, wording.number(table.count_diff, sign=True)),
        (share if share is not None else -1e9, wording.percent(share)),
        (table.added, wording.number(table.added)),
        (table.removed, wording.number(table.removed)),
        (table.changed, wording.number(table.changed)),
        (growth, wording.size(growth, sign=True)),
    ]
    cells = "".join(f"<td class='n' data-value='{v}'>{text}</td>" for v, text in figures)
    return f"<tr><td>{escape(name)}</td>{cells}<td>{table.matched_by}</td></tr>"


def _details(name: str, table: TableComparison) -> str:
    counts = f"{table.added:,} added, {table.removed:,} removed, {table.changed:,} changed"
    notes = "".join(f"<p class='dim'>{escape(note)}</p>" for note in table.notes)
    columns = ((column, f"{count:,}") for column, count in table.field_changes.items())
    changed = (
        (
            wording.key(e),
            e.column,
            wording.value(e.before),
            wording.value(e.after),
            f"{e.row_v1:,} → {e.row_v2:,}",
        )
        for e in table.examples.changed
    )
    sides = (("added", table.examples.added), ("removed", table.examples.removed))
    rows = ((word, wording.key(e), f"{e.row:,}") for word, some in sides for e in some)
    return (
        f"<details><summary><b>{escape(name)}</b> <span class='dim'>{counts}</span></summary>"
        f"{notes}{_table(('Column', 'Values changed'), columns)}"
        f"{_table(('Key', 'Column', 'Before', 'After', 'Lines of the files'), changed)}"
        f"{_table(('', 'Key', 'Line of the file'), rows)}</details>"
    )


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts; nothing where there is no row."""
    body = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    head = "".join(f"<th>{name}</th>" for name in heads)
    return (
        f"<div class='scroll'><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        "</div>"
    ) * bool(body)
