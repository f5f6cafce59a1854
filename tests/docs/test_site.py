"""The site: every link and anchor holds, every page has its place, and nothing comes from another server."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from places import REPO

pytest.importorskip("furo", reason="make .venv/.docs installs the generator of the site")
# What a browser fetches to show a page; a link that a reader may follow is none of it.
FETCHED = re.compile(
    r"<(?:script|img|iframe|source)\b[^>]*\bsrc=[\"']?(?:https?:)?//[^>]*>"
    r"|<link\b(?=[^>]*\brel=[\"']?(?:stylesheet|preload|preconnect|icon))[^>]*\bhref=[\"']?(?:https?:)?//[^>]*>"
    r"|url\([\"']?(?:https?:)?//[^)]*\)|@import[^;]*//[^;]*;",
    re.IGNORECASE,
)


def build(sources: Path, into: Path) -> "subprocess.CompletedProcess[str]":
    """What `make site` does."""
    options = ("-c", str(REPO / "docs/site"), "-d", str(into / "cache"), "-W", "--keep-going", "-n", "-q")
    command = [sys.executable, "-m", "sphinx", *options, str(sources), str(into / "site")]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    run = build(REPO, folder)
    assert run.returncode == 0, run.stderr
    return folder / "site"


def test_it_has_every_page(site: Path) -> None:
    pages = [REPO / "README.md", *(REPO / "docs").glob("*.md"), *(REPO / "benchmarks").glob("*.md")]
    assert all((site / page.relative_to(REPO).with_suffix(".html")).is_file() for page in pages)
    assert 'url=README.html"' in (site / "index.html").read_text(encoding="utf-8")


def test_it_fetches_nothing_from_other_servers(site: Path) -> None:
    files = [*site.rglob("*.html"), *site.rglob("*.css")]
    assert {file: found for file in files if (found := FETCHED.findall(file.read_text(encoding="utf-8")))} == {}
    assert FETCHED.search('<script defer src="https://cdn.example.org/x.js"></script>')
    assert FETCHED.search("@font-face { src: url(https://fonts.example.org/a.woff2) }")


def test_a_broken_link_and_a_broken_anchor_are_named(tmp_path: Path) -> None:
    shutil.copy(REPO / "README.md", tmp_path)
    (tmp_path / "docs").mkdir()
    text = "# Demo\n\n[a](absent.md) [b](../README.md#absent) [c](#gone) [d](../README.md#where-next) [e](no.yaml)\n"
    (tmp_path / "docs/demo.md").write_text(text, encoding="utf-8")
    run = build(tmp_path, tmp_path / "out")
    assert run.returncode != 0
    named = [line for line in run.stderr.splitlines() if "demo.md" in line]
    for broken in ("'absent.md'", "'absent'", "'gone'", "'no.yaml'"):
        assert any(broken in line for line in named), run.stderr
    assert len(named) == 4, named


def test_the_readme_is_short() -> None:
    assert len((REPO / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def test_the_floors_of_the_rooms_are_those_of_the_contract() -> None:
    page = (REPO / "docs/architecture.md").read_text(encoding="utf-8")
    shown = [set(re.findall(r"`(\w+)`", row)) for row in re.findall(r"^\| \d+ \| (.*?) \|", page, re.MULTILINE)]
    contracts = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
    layers = contracts["contracts"][0]["layers"]
    rooms = [{name.strip().removeprefix("reinforced_cot.") for name in layer.split("|")} for layer in layers]
    assert shown[1:-1] == rooms


def test_it_is_searched_and_read_from_a_folder(site: Path) -> None:
    """In a browser, as a file: the search finds a page, nothing is an error, and a phone's page is no wider than it."""
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = shutil.which("chromium")
    if not chromium:
        pytest.skip("there is no chromium")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 800})
        errors: list[str] = []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((site / "index.html").as_uri())
        page.wait_for_url("**/README.html")
        for name in ("README", "docs/configuration", "docs/troubleshooting", "benchmarks/README"):
            page.goto((site / f"{name}.html").as_uri())
            assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        page.goto(f"{(site / 'search.html').as_uri()}?q=refilling")
        page.wait_for_selector("#search-results a")
        assert "Training" in page.locator("#search-results a").all_inner_texts()
        assert errors == []
        browser.close()
