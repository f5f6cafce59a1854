"""Take the README's picture, docs/images/report.png: the top of a run's report, as Chromium shows it.

    .venv/bin/snakemake --cores all --config 'pathvars={results: results/demo}'
    .venv/bin/python docs/images/make.py results/demo

The folder's name is the report's title.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH = 1280  # of the page, in CSS pixels
BELOW = 24  # what the picture shows of the page below the last card


def main(argv: Sequence[str] | None = None) -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="folder of a run with its report.html")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("report.png"))
    args = parser.parse_args(argv)
    page_file, chromium = args.results / "report.html", shutil.which("chromium")
    if not page_file.is_file():
        parser.error(f"{page_file} is missing: write it first, `make report RESULTS={args.results}`")
    if not chromium:
        parser.error("there is no browser: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--hide-scrollbars"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, color_scheme="light")
        page.goto(page_file.resolve().as_uri())
        page.wait_for_selector("html[data-charts=drawn]")
        cards = page.locator("#verdict .cards").bounding_box()
        assert cards, "the report shows no policy"
        height = cards["y"] + cards["height"] + BELOW
        page.set_viewport_size({"width": WIDTH, "height": int(height)})
        page.screenshot(path=args.out)
        browser.close()


if __name__ == "__main__":
    main()
