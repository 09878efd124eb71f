"""A page: one HTML file with its style and its few lines of script; light and dark, no network."""

from collections.abc import Iterable

from mediatool_assets.flows.page.escaping import escape

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
p { margin: .5rem 0 } .dim { color: var(--dim) } a { color: var(--changed) }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: 1rem; color: var(--back);
  font-size: .95rem; vertical-align: middle; background: var(--unknown) }
.badge.good { background: var(--added) } .badge.bad { background: var(--removed) }
.badge.plain { background: var(--changed) }
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
figure { margin: .6rem 0 1.2rem } svg { max-width: 100%%; height: auto }
svg text { font-family: system-ui, sans-serif }
.legend span { margin-right: 1.2rem } .legend i { display: inline-block; width: .8em; height: .8em;
  border-radius: .15em; margin-right: .35em }
td.good { color: var(--added) } td.bad { color: var(--removed); font-weight: 600 }
td.unsure { color: var(--unknown); font-weight: 600 }
</style></head><body>
"""

_FOOT = """<script>
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

MOODS = {
    "same": "good",
    "passed": "good",
    "different": "plain",
    "failed": "bad",
    "breaking": "bad",
    "warned": "unsure",
    "warning": "unsure",
    "unknown": "unsure",
    "absent": "unsure",
}
"""How a word of a verdict looks: green, blue, red or amber."""


def page(title: str, content: Iterable[str]) -> str:
    """The whole file; ``content`` is HTML."""
    return "".join([_HEAD % escape(title), *content, _FOOT])


def heading(title: str, verdict: str, says: str, small: str = "") -> str:
    """The title with the verdict as a badge, what it means, and something less important."""
    badge = f"<span class='badge {MOODS.get(verdict, '')}'>{escape(verdict)}</span>"
    dim = f"<p class='dim'>{escape(small)}</p>" if small else ""
    return f"<h1>{escape(title)} {badge}</h1><p>{escape(says)}</p>{dim}"


def section(title: str, *content: str) -> str:
    """HTML under a title; nothing where there is none."""
    body = "".join(content)
    return f"<h2>{escape(title)}</h2>{body}" if body else ""


def paragraph(text: str) -> str:
    """A sentence of less weight."""
    return f"<p class='dim'>{escape(text)}</p>"


def folded(title: str, says: str, *content: str) -> str:
    """HTML that opens on a click on its title."""
    summary = f"<summary><b>{escape(title)}</b> <span class='dim'>{escape(says)}</span></summary>"
    return f"<details>{summary}{''.join(content)}</details>"


def cards(figures: Iterable[tuple[str, str, str]]) -> str:
    """Large figures: ``(name, value, change)``."""
    made = (
        f"<div class='card'><span class='dim'>{escape(name)}</span><b>{escape(value)}</b>"
        f"<span class='dim'>{escape(change) or '&nbsp;'}</span></div>"
        for name, value, change in figures
    )
    return f"<div class='cards'>{''.join(made)}</div>"
