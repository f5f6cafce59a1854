"""The report in a real browser, opened as a file: charts, gallery, labels, and what a screen reader needs."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import report
import score
from PIL import Image
from places import REPO
from report_runs import facts, write_run

from reinforced_cot.report.policy_facts import as_text

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no browser: apt-get install chromium")
POLICIES = ["base", "sft", "grpo", "gspo"]
ALL_OF_GQA = 12578  # the balanced test-dev questions


def written(results: Path, questions: int) -> Path:
    """The page of a run with hostile text wherever text can stand."""
    write_run(results, POLICIES, questions)
    report.main(["--results", str(results), "--policies", as_text(facts(POLICIES))])
    return results / "report.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("small <b>") / "run", 30)


@pytest.fixture
def opened(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """A function that opens a page and waits for its charts and its gallery; it allows no error and no request."""
    said: list[str] = []
    contexts = []

    def open_page(path: Path, address: str = "", **options: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(f"a script ran: {dialog.message}"))
        page.on(
            "request",
            lambda sent: said.append(sent.url) if not sent.url.startswith(("file:", "blob:", "data:")) else None,
        )
        page.goto(path.as_uri() + address)
        page.wait_for_selector("html[data-gallery=ready]")
        page.wait_for_selector("html[data-charts=drawn]")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert said == []


def count(page: Any) -> str:
    return str(page.locator("#gallery-count").inner_text())


def questions(page: Any) -> list[str]:
    return [text.split("picture ")[1].split("?")[0] for text in page.locator("#gallery-table .open").all_inner_texts()]


def test_filters_search_and_order(opened: Any, small: Path) -> None:
    page = opened(small)
    assert count(page) == "30 of 30 questions"
    page.select_option("#gallery-filter", "mended-grpo")  # sft is right twice, grpo four times
    assert count(page) == "2 of 30 questions" and questions(page) == ["2", "3"]
    page.select_option("#gallery-filter", "broken-grpo")
    assert count(page) == "0 of 30 questions"
    page.select_option("#gallery-filter", "all-wrong")
    assert count(page) == "24 of 30 questions"
    page.select_option("#gallery-type", "animal")
    assert count(page) == "0 of 30 questions"
    page.select_option("#gallery-filter", "")
    assert count(page) == "4 of 30 questions"
    page.select_option("#gallery-type", "")
    page.fill("#gallery-search", "Picture 17")
    page.wait_for_function("document.getElementById('gallery-count').textContent.startsWith('1 ')")
    assert questions(page) == ["17"]
    page.fill("#gallery-search", "see a CAT")  # words of a chain, and the truth of every second question
    page.wait_for_function("document.getElementById('gallery-count').textContent.startsWith('15 ')")
    page.fill("#gallery-search", "")
    page.wait_for_function("document.getElementById('gallery-count').textContent.startsWith('30 ')")
    header = page.locator("#gallery-table thead th", has_text="True answer")
    for animal in ("cat", "dog"):  # up, then down
        header.click()
        page.wait_for_function(
            f"document.querySelector('#gallery-table tbody td:nth-child(3)').innerText === '{animal}'"
        )


def test_a_question_is_shown_linked_and_left(opened: Any, small: Path) -> None:
    page = opened(small)
    page.locator("#gallery-table .open").nth(1).press("Enter")
    dialog = page.locator("#gallery-dialog")
    assert "What is in picture 1?" in dialog.inner_text() and "True answer: cat" in dialog.inner_text()
    assert dialog.locator(".answer").count() == 4 and dialog.locator(".is-right").count() == 3
    assert page.evaluate("document.querySelector('#gallery-detail img').naturalWidth") == 72
    assert "<script>alert(1)</script>" in dialog.inner_text()  # shown, not run
    page.keyboard.press("ArrowRight")
    assert "What is in picture 2?" in dialog.inner_text()
    link = page.url
    page.keyboard.press("Escape")
    page.wait_for_function("!location.hash.includes('question=')")  # the browser tells of the end a moment later
    assert not dialog.is_visible()
    again = opened(small, "#" + link.partition("#")[2])
    assert "What is in picture 2?" in again.locator("#gallery-dialog").inner_text()
    again.evaluate("location.hash = '#gallery?filter=mended-grpo'")  # a link that was put into the same tab
    again.wait_for_function("document.getElementById('gallery-count').textContent.startsWith('2 ')")
    assert not again.locator("#gallery-dialog").is_visible()
    unknown = opened(small, "#gallery?filter=mended-gone&type=gone")
    assert count(unknown) == "30 of 30 questions" and unknown.locator("#gallery-filter").input_value() == ""
    filtered = opened(small, "#gallery?filter=mended-gspo&search=picture")
    assert count(filtered) == "4 of 30 questions" and filtered.locator("#gallery-search").input_value() == "picture"


def test_labels_are_kept_saved_and_compared(
    opened: Any, small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = opened(small)
    page.locator("#gallery-table .open").nth(1).click()
    page.locator(".answer", has_text="grpo").get_by_role("radio", name="wrong").check()
    page.locator(".answer", has_text="sft").get_by_role("radio", name="right").check()
    third = page.locator(".answer", has_text="gspo")
    third.get_by_role("radio", name="unclear").check()
    third.get_by_role("radio", name="no label").check()  # a slip is taken back
    page.keyboard.press("Escape")
    page.reload()
    page.wait_for_selector("html[data-gallery=ready]")
    page.select_option("#gallery-filter", "labelled")
    assert questions(page) == ["1"]
    with page.expect_download() as download:
        page.click("#gallery-save")
    download.value.save_as(tmp_path / "labels.jsonl")
    labels = [json.loads(line) for line in (tmp_path / "labels.jsonl").read_text(encoding="utf-8").splitlines()]
    assert sorted(labels, key=lambda label: label["policy"]) == [
        {"id": "q1", "policy": "grpo", "label": "wrong"},
        {"id": "q1", "policy": "sft", "label": "right"},
    ]
    predictions = small.parent / "grpo/predictions.jsonl"
    before = predictions.read_text(encoding="utf-8")
    predictions.write_text(before.replace("<think>\\nI see", "<think>\\nThere is", 2), encoding="utf-8")
    report.main(["--results", str(small.parent), "--policies", as_text(facts(POLICIES))])
    page.reload()
    page.wait_for_selector("html[data-gallery=ready]")
    page.locator("#gallery-table .open").first.click()
    assert page.locator(".answer", has_text="sft").get_by_role("radio", name="right").is_checked()
    assert page.locator(".answer", has_text="grpo").get_by_role("radio", name="no label").is_checked()  # another chain
    predictions.write_text(before, encoding="utf-8")
    report.main(["--results", str(small.parent), "--policies", as_text(facts(POLICIES))])
    for policy, column in (("sft", "recall of support     1.000"), ("grpo", "precision of support  0.000")):
        predictions = small.parent / policy / "predictions.jsonl"
        score.main([str(predictions), "--labels", str(tmp_path / "labels.jsonl")])
        printed = capsys.readouterr().out
        assert f"labels of {policy}'s chains: 1" in printed and column in printed


def test_curves_are_smoothed_and_zoomed(opened: Any, small: Path) -> None:
    page = opened(small)
    chart = page.locator('[data-chart="loss"]')
    assert chart.locator("svg").count() == 1
    strong = chart.locator(".mark-line path").last
    page.fill("#smoothing", "0")
    raw = strong.get_attribute("d")
    page.fill("#smoothing", "0.9")
    assert strong.get_attribute("d") != raw
    labels = chart.locator(".role-axis-label text").all_text_contents()
    chart.scroll_into_view_if_needed()
    box = chart.locator("svg").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -400)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    assert chart.locator(".role-axis-label text").all_text_contents() != labels


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_serious_for_a_screen_reader(opened: Any, small: Path, scheme: str, width: int) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page = opened(small, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for part in ("body", "#gallery-dialog"):
        found = Axe().run(page, context=part).response["violations"]
        serious = [one for one in found if one["impact"] in ("serious", "critical")]
        assert not serious, [(one["id"], one["nodes"][0]["html"], one["nodes"][0]["failureSummary"]) for one in serious]
        if part == "body":
            page.locator("#gallery-table .open").first.click()


def test_a_report_of_all_questions_of_gqa(opened: Any, tmp_path: Path) -> None:
    page = opened(written(tmp_path / "run", ALL_OF_GQA))
    assert count(page) == f"{ALL_OF_GQA} of {ALL_OF_GQA} questions"
    page.fill("#gallery-search", f"picture {ALL_OF_GQA - 1}?")
    page.wait_for_function("document.getElementById('gallery-count').textContent.startsWith('1 ')")
    assert questions(page) == [str(ALL_OF_GQA - 1)]


def test_the_readmes_picture_is_the_top_of_a_report(small: Path, tmp_path: Path) -> None:
    script = [sys.executable, str(REPO / "docs/images/make.py")]
    subprocess.run([*script, str(small.parent), "--out", str(tmp_path / "top.png")], check=True)
    with Image.open(tmp_path / "top.png") as picture:
        assert picture.width == 1280 and picture.height > 400
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50  # text and a chart
    refused = subprocess.run([*script, str(tmp_path)], capture_output=True, text=True, check=False)
    assert refused.returncode == 2 and f"report.html is missing: write it first, `make report RESULTS={tmp_path}`" in (
        refused.stderr
    )


def test_it_prints_without_its_controls(browser: Any, small: Path, tmp_path: Path) -> None:
    page = browser.new_context().new_page()
    page.goto(small.as_uri())
    page.wait_for_selector("html[data-charts=drawn]")
    page.emulate_media(media="print")
    assert page.locator("#verdict").is_visible() and page.locator('[data-chart="loss"] svg').is_visible()
    assert not page.locator("#gallery-controls").is_visible() and not page.locator("header nav").is_visible()
    page.pdf(path=tmp_path / "report.pdf")
    assert (tmp_path / "report.pdf").stat().st_size > 20_000
