"""The site in the system's Chromium, as wide as a phone, a tablet and a desk, light and dark."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from mediatool_assets.reports.site import write
from mediatool_assets_tests.made_up_site import fill
from mediatool_assets_tests.twins import DirectoryObjects

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CHROMIUM = "chromium"

LOOK = """() => {
  const luminance = color => {
    const [r, g, b] = color.match(/[0-9.]+/g).slice(0, 3).map(part => part / 255)
      .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const color = getComputedStyle(each).backgroundColor;
      if (color !== "rgba(0, 0, 0, 0)") return color;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = [...document.body.querySelectorAll("*")].filter(element =>
    element.tagName !== "SCRIPT" && element.checkVisibility() &&
    [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  const faint = texts.filter(element => {
    const pair = [getComputedStyle(element).color, behind(element)].map(luminance);
    return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05) < 4.5;
  });
  const small = texts.filter(element => parseFloat(getComputedStyle(element).fontSize) < 11);
  const named = element => element.outerHTML.slice(0, 120);
  const cards = [...document.querySelectorAll(".cards > div")].map(card => card.offsetLeft);
  return {
    width: document.documentElement.scrollWidth,
    faint: faint.map(named), small: small.map(named), cards: cards.length,
    columns: new Set(cards).size,
    headings: document.querySelectorAll("h1").length,
    ids: new Set([...document.querySelectorAll("[id]")].map(element => element.id)).size,
    every: document.querySelectorAll("[id]").length,
  };
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site in a folder, with reports of every kind."""
    folder = tmp_path_factory.mktemp("filled")
    objects = DirectoryObjects(folder)
    fill(objects, folder)
    return write(objects, tmp_path_factory.mktemp("site")).parent


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """The system's Chromium, which scripts/test-servers.sh installs."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415  # for this file alone

    path = shutil.which(CHROMIUM)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        yield browser
        browser.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_every_page_is_readable(
    browser: "Browser", site: Path, width: int, scheme: Literal["light", "dark"]
) -> None:
    """Nothing overflows, no error, no text below 11 px or of weak contrast, two cards a row."""
    problems: list[str] = []
    context = browser.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True
    )
    page = context.new_page()
    page.set_default_timeout(300_000)
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    for path in sorted(site.rglob("*.html")):
        page.goto(path.as_uri())
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        seen: dict[str, Any] = page.evaluate(LOOK)
        where = f"{path.relative_to(site)} at {width}, {scheme}"
        assert seen["width"] <= width, where
        assert (seen["faint"], seen["small"]) == ([], []), where
        assert seen["headings"] == 1 and seen["ids"] == seen["every"], where
        assert seen["columns"] >= min(2, seen["cards"]), where
    context.close()
    assert problems == []


def test_tables_sort_by_keyboard(browser: "Browser", site: Path) -> None:
    """Tab reaches the heading of a column, Enter sorts by it, and a screen reader is told."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    page.goto((site / "index.html").as_uri())
    rows = page.locator("table.sortable tbody tr")
    newest = rows.first.inner_text()
    button = page.get_by_role("button", name="Version")
    button.focus()
    page.keyboard.press("Enter")
    assert page.locator("th[aria-sort=ascending]").inner_text().startswith("Version")
    assert rows.last.inner_text() == newest
    page.close()


def test_links_are_followed_from_the_calendar_to_a_report(browser: "Browser", site: Path) -> None:
    """By a click each: the day, its metrics, the day before."""
    page = browser.new_page()
    page.set_default_timeout(300_000)
    page.goto((site / "index.html").as_uri())
    page.get_by_role("link", name="2025-06-22: failed, 1 version").click()
    assert page.locator("h1").inner_text().startswith("2025-06-22")
    page.get_by_role("navigation", name="Reports of 2025-06-22").get_by_text("Metrics").click()
    assert page.locator("h1").inner_text().startswith("Daily metrics of 2025-06-22")
    page.get_by_role("link", name="← 2025-06-21").click()
    assert page.locator("h1").inner_text().startswith("2025-06-21")
    page.close()
