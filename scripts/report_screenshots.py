"""Pictures of the site of reports for docs/images, light and dark, by the system's Chromium.

python scripts/report_screenshots.py SITE [--output docs/images]: SITE is what
``mediatool report --site SITE`` has written. The newest day that has every kind of report is shown.
"""

import argparse
import io
import shutil
import sys
from pathlib import Path
from typing import Literal

from PIL import Image
from playwright.sync_api import Browser, ViewportSize, sync_playwright

SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
WIDE, NARROW = ViewportSize(width=1160, height=1500), ViewportSize(width=390, height=1200)
PAGES = (
    "index", "daily-metrics-comparison", "version-comparison", "data-integrity-report",
    "bucket-posture",
)  # fmt: skip
COLOURS = 255  # of a picture's palette, which makes it a third as large


def main() -> int:
    """Take every picture, and print its path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("site", type=Path)
    parser.add_argument("--output", type=Path, default=Path("docs/images"))
    wanted = parser.parse_args()
    path = shutil.which("chromium")
    if path is None:
        sys.exit("no chromium on the PATH: install the system's package")
    days = [day for day in sorted(wanted.site.iterdir()) if day.is_dir()]
    day = next((d for d in reversed(days) if all((d / f"{p}.html").exists() for p in PAGES)), None)
    if day is None:
        sys.exit(
            f"{wanted.site} has no day with {', '.join(PAGES)}: make a demo of some days first"
        )
    shown = {"report-site": wanted.site / "index.html"}
    shown |= {name: day / f"{name}.html" for name in PAGES[1:]}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, chromium_sandbox=False)
        for name, page in shown.items():
            for scheme in SCHEMES:
                file = wanted.output / f"{name}-{scheme}.png"
                file.write_bytes(picture(browser, page, scheme, WIDE))
                print(file)  # noqa: T201  # a script
        file = wanted.output / "report-site-phone.png"
        file.write_bytes(picture(browser, shown["report-site"], "light", NARROW))
        print(file)  # noqa: T201  # a script
        browser.close()
    return 0


def picture(
    browser: Browser, path: Path, scheme: Literal["light", "dark"], view: ViewportSize
) -> bytes:
    """The top of a page as a PNG; raises RuntimeError where its script or style has an error."""
    problems: list[str] = []
    page = browser.new_page(color_scheme=scheme, viewport=view, offline=True)
    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.goto(path.resolve().as_uri())
    taken = page.screenshot()
    page.close()
    if problems:
        raise RuntimeError(f"{path} is not clean: {problems}")
    small = Image.open(io.BytesIO(taken)).convert("RGB").quantize(COLOURS)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
