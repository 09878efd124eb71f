"""How fast the index of the site of reports is, over 365 made-up days: written, and in Chromium.

python benchmarks/report_site.py
"""

import shutil
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

from playwright.sync_api import sync_playwright

from mediatool_assets.core.version import Version
from mediatool_assets.pages import html
from mediatool_assets.reports.site import SiteIndex, SiteVersion, index_page

DAYS = 365
LAST = datetime(2026, 11, 27, 2, tzinfo=UTC)
READY = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def index() -> SiteIndex:
    """A version a day, which grow; one in fifty has failed."""
    versions = tuple(
        SiteVersion(
            str(Version.at(LAST - timedelta(days=DAYS - 1 - n))),
            848_937 + 120 * n,
            90_000_000 + 40_000 * n,
            3 + n % 7 / 10,
            "daily_backup",
            "failed" if n % 50 == 49 else "passed",
        )
        for n in range(DAYS)
    )
    return SiteIndex(versions, tuple(version.day for version in versions))


def main() -> int:
    """Print the seconds and the size."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("no chromium on the PATH: install the system's package")
    begun = perf_counter()
    page = html(index_page(index(), {}))
    print(f"rendered in {perf_counter() - begun:.3f} s, {len(page) / 1e3:,.0f} kB")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = Path(folder, "index.html")
        path.write_text(page, "utf-8")
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        tab = browser.new_page(viewport={"width": 1440, "height": 900})
        tab.goto(path.as_uri(), wait_until="load")
        print(f"opened in {tab.evaluate(READY) / 1000:.3f} s")
        browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
