"""Pictures of Dagster's UI for docs/images, of the demo, by the system's Chromium.

python scripts/ui_screenshots.py URL [FROM..TO] [--output docs/images]: after `mediatool demo`, with
the URL that `mediatool dev` prints. It takes the pictures of the graph, of an asset of each layer,
of the lineage of fields, and of a report. With days, it then launches *Materialize all* from the
asset graph for them as a person would, waits until the backfill has succeeded, and ends with 1
where it has not.
"""

import argparse
import io
import json
import re
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1500, 800  # pixels
COLOURS = 64  # of a picture's palette: the UI has few, and the file becomes a quarter as large
SECONDS = 120  # for a page to show what is looked for
BACKFILL_SECONDS = 1800  # two days of the demo take two minutes on an idle machine
LAUNCH = "launchPartitionBackfill"

ASSETS = {
    "raw/campaigns": "asset-raw.png",
    "postgres/campaigns": "asset-postgres.png",
    "transformed/campaigns": "asset-transformed.png",
    "mongodb/campaigns": "asset.png",
    "metadata": "asset-metadata.png",
    "daily_metrics_comparison": "asset-report.png",
}
"""An asset of each layer, and its picture."""


def main() -> int:
    """Take every picture, and print its path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("days", nargs="?")
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    wanted = parser.parse_args()
    path = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if path is None:
        sys.exit(f"no Chromium on the PATH ({', '.join(CHROMIUMS)}): install the system's package")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, timezone_id="UTC")
        page.set_default_timeout(SECONDS * 1000)
        graph(page, wanted.url, wanted.output)
        for asset, picture in ASSETS.items():
            asset_page(page, f"{wanted.url}/assets/{asset}", wanted.output / picture)
        column_lineage(page, wanted.url, wanted.output)
        report(page, wanted.url, wanted.output)
        succeeded = True
        if wanted.days:
            backfill = materialized(page, wanted.url, wanted.days, wanted.output)
            succeeded = ended(page, wanted.url, backfill, wanted.output)
            timeline(page, wanted.url, wanted.output)
        browser.close()
    return 0 if succeeded else 1


def materialized(page: Page, url: str, days: str, output: Path) -> str:
    """Launch *Materialize all* of the days; the dialog's picture, and the backfill's id."""
    page.goto(f"{url}/asset-groups")
    page.get_by_role("button", name="Materialize all").first.click()
    partitions = page.get_by_placeholder("No matching partitions")
    partitions.fill(f"[{days.replace('..', '...')}]")
    partitions.press("Enter")
    button = page.get_by_role("button", name="Launch backfill")
    button.scroll_into_view_if_needed()
    kept(page, output / "materialize-all.png")
    with page.expect_response(lambda response: LAUNCH in (response.request.post_data or "")) as got:
        button.click()
    launched = got.value.json()["data"][LAUNCH]
    if "backfillId" not in launched:
        raise RuntimeError(f"the backfill was refused: {json.dumps(launched)}")
    return str(launched["backfillId"])


def ended(page: Page, url: str, backfill: str, output: Path) -> bool:
    """Whether the backfill succeeds in the end; its picture."""
    page.goto(f"{url}/runs/b/{backfill}?tab=runs")
    status = page.get_by_text("Succeeded", exact=True).or_(page.get_by_text("Failed", exact=True))
    status.first.wait_for(timeout=BACKFILL_SECONDS * 1000)
    page.wait_for_timeout(5000)  # for the runs below it
    kept(page, output / "backfill.png")
    return page.get_by_text("Failed", exact=True).count() == 0


def timeline(page: Page, url: str, output: Path) -> None:
    """The picture of the last hours' runs: those of the command line and of the UI, by job."""
    page.goto(f"{url}/overview/activity/timeline")
    page.get_by_role("button", name="6hr").click()
    page.get_by_role("link", name="on_demand_export").wait_for()
    page.wait_for_timeout(3000)  # for the bars
    kept(page, output / "timeline.png")


def graph(page: Page, url: str, output: Path) -> None:
    """The picture of the asset graph as it opens: one box for each group."""
    page.goto(f"{url}/asset-groups")
    page.get_by_text("transformed", exact=True).first.wait_for()
    page.wait_for_timeout(5000)  # for the layout, and for each box's state
    kept(page, output / "asset-graph.png")


def asset_page(page: Page, url: str, picture: Path) -> None:
    """The picture of an asset's page, with what was recorded of its newest materialization."""
    opened(page, url)
    kept(page, picture)


def column_lineage(page: Page, url: str, output: Path) -> None:
    """The picture of fields of a collection, with the columns that their values come from."""
    opened(page, f"{url}/assets/transformed/campaigns")
    page.get_by_placeholder("Filter columns").fill("Name")
    kept(page, output / "column-lineage.png")


def report(page: Page, url: str, output: Path) -> None:
    """The picture of a report, as its asset shows it."""
    opened(page, f"{url}/assets/daily_metrics_comparison")
    page.get_by_text("Show Markdown").first.click()
    page.wait_for_timeout(2000)  # for the dialog to open
    kept(page, output / "asset-report-markdown.png")


def opened(page: Page, url: str) -> None:
    """Open an asset's page, and wait until its newest partition is shown."""
    page.goto(url)
    page.get_by_text(re.compile(r"^\d{4}-\d\d-\d\d$")).first.wait_for()
    page.wait_for_timeout(3000)  # for its metadata


def kept(page: Page, file: Path) -> None:
    """Write what is seen as a PNG of few colours."""
    page.mouse.move(0, 0)
    small = Image.open(io.BytesIO(page.screenshot())).convert("RGB").quantize(COLOURS)
    small.save(file, "PNG", optimize=True)
    print(file)  # noqa: T201  # a script


if __name__ == "__main__":
    sys.exit(main())
