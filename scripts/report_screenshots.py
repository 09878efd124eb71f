"""Pictures of a day's reports for docs/images, light and dark, by the system's Chromium.

python scripts/report_screenshots.py [VERSION] [--output docs/images]: without a version, the newest
one of the servers that the environment names, or of the local ones.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from mediatool_assets.domain.keys import REPORTS
from mediatool_assets.domain.version import Version
from mediatool_assets.flows.report_forms import report_of
from mediatool_assets.flows.versions import catalog
from mediatool_assets.stores.environment import settings
from mediatool_assets.stores.s3 import S3Objects

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDTH, HEIGHT = 1160, 1500  # pixels: the part that is read first
COLOURS = 255  # of a picture's palette, which makes it a third as large


def main() -> int:
    """Take every picture, and print its path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("version", nargs="?")
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    wanted = parser.parse_args()
    path = next((found for name in CHROMIUMS if (found := shutil.which(name))), None)
    if path is None:
        sys.exit(f"no Chromium on the PATH ({', '.join(CHROMIUMS)}): install the system's package")
    objects = S3Objects.of(settings())
    version = Version.parse(wanted.version) if wanted.version else catalog.latest(objects).version
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        for report in REPORTS:
            page = report_of(objects, report, version.partition, version, "html").decode()
            for scheme in SCHEMES:
                file = wanted.output / f"{report}-{scheme}.png"
                file.write_bytes(picture(browser, page, scheme))
                print(file)  # noqa: T201  # a script
        browser.close()
    return 0


def picture(browser: Browser, html: str, scheme: Literal["light", "dark"]) -> bytes:
    """The top of a page as a PNG; raises RuntimeError where its script or style has an error."""
    problems: list[str] = []
    page = browser.new_page(
        color_scheme=scheme, viewport={"width": WIDTH, "height": HEIGHT}, offline=True
    )
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.set_content(html)
    page.locator("table.sortable th").first.click()  # the script works, or says why not
    page.set_content(html)
    page.mouse.move(0, 0)
    page.evaluate("scrollTo(0, 0)")
    taken = page.screenshot()
    page.close()
    if problems:
        raise RuntimeError(f"the page is not clean: {problems}")
    small = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
