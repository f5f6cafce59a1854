"""`make report` shows what there is: a run that still trains, one policy, no RL; and refuses what it cannot show."""

import json
import zipfile
from pathlib import Path

import pytest
import report
import yaml
from config_samples import changed
from report_runs import write_run
from torch.utils.tensorboard import SummaryWriter

from reinforced_cot.errors import DataError
from reinforced_cot.report.logged_steps import logged_so_far

POLICIES = ["base", "sft", "grpo"]


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A finished run whose configuration has three policies."""
    write_run(tmp_path / "run", POLICIES)
    config = {**changed({"report": POLICIES}), "pathvars": {"results": "run"}}
    (tmp_path / "run/configuration.yaml").write_text(yaml.safe_dump(config))
    return tmp_path / "run"


def page(results: Path) -> str:
    report.main(["--results", str(results)])
    return (results / "report.html").read_text(encoding="utf-8")


def test_a_finished_run_lacks_nothing(results: Path) -> None:
    text = page(results)
    assert "The run is not complete" not in text and "<h3><bdi>grpo</bdi></h3>" in text


def test_a_policy_that_still_trains_has_curves_and_no_score(results: Path) -> None:
    for name in ("eval.json", "predictions.jsonl", "metrics.json", "merge.json"):
        (results / "grpo" / name).unlink()
    (results / "comparisons.json").unlink()  # the rule makes it when all are evaluated
    writer = SummaryWriter(str(results / "grpo/tensorboard"))
    for step in range(1, 4):
        writer.add_scalar("train/reward", step / 4, step)
    writer.add_scalar("eval/accuracy", 0.5, 3)
    writer.close()
    text = page(results)
    missing = "grpo/eval.json, grpo/metrics.json, grpo/merge.json"
    assert f"The run is not complete. Not there yet: {missing}." in text
    assert "sft against base" in text  # tested here, in place of comparisons.json
    specs = json.loads(text.split('id="chart-specs">')[1].split("</script>")[0])
    assert [row["value"] for row in specs["reward"]["spec"]["datasets"]["curve"]] == [0.25, 0.5, 0.75]
    assert [row["name"] for row in specs["accuracy"]["spec"]["datasets"]["dots"]] == ["base", "sft"]
    assert logged_so_far(results / "grpo")[-1] == {"step": 3, "eval_accuracy": 0.5}


def test_an_evaluation_after_the_comparisons_is_compared_anew(results: Path) -> None:
    assert "21 questions mended" not in page(results)  # as the made-up comparisons.json has it
    assert "grpo against sft: +0.333" in page(results)  # 4 of 6 answers against 2


def test_a_base_alone(results: Path) -> None:
    for policy in ("sft", "grpo"):
        for file in (results / policy).iterdir():
            file.unlink()
    text = page(results)
    assert "<th>base</th>" in text and "<th>sft</th>" not in text and 'id="training"' not in text
    assert "Not begun yet: sft, grpo." in text and "The run is not complete" not in text


def test_nothing_to_show_is_one_line(results: Path) -> None:
    for policy in POLICIES:
        for file in (results / policy).iterdir():
            file.unlink()
    with pytest.raises(DataError, match=r"run has nothing to report yet: \S*/base/eval\.json is missing"):
        page(results)
    assert not (results / "report.html").exists()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("configuration.yaml", None, r"configuration\.yaml is missing: \S+run is no results folder of a run"),
        ("data/test.jsonl", None, r"data/test\.jsonl does not exist"),
        ("data/images/test/3.png", None, r"images/test/3\.png cannot be shown .*: prepare the data again"),
        ("sft/predictions.jsonl", "{", r"sft/predictions\.jsonl, line 1"),
        ("sft/train.yaml", "a: [", r"sft/train\.yaml is no YAML"),
    ],
)
def test_what_cannot_be_shown_is_named(results: Path, file: str, content: str | None, message: str) -> None:
    if content is None:
        (results / file).unlink()
    else:
        (results / file).write_text(content)
    with pytest.raises(DataError, match=message):
        page(results)
    assert not (results / "report.html").exists() and not (results / "report_files").exists()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("grpo/predictions.jsonl", "were asked different questions: the one with the id 'q0'"),
        ("data/test.jsonl", "have different questions: 'q0' is in one of them alone"),
    ],
)
def test_other_questions_are_refused(results: Path, file: str, message: str) -> None:
    path = results / file
    path.write_text("\n".join(path.read_text().splitlines()[1:]) + "\n")
    with pytest.raises(DataError, match=message):
        page(results)


def test_one_file_to_send(results: Path) -> None:
    report.main(["--results", str(results), "--zip"])
    with zipfile.ZipFile(results / "report.zip") as archive:
        names = archive.namelist()
    assert {"report/report.html", "report/report_files/rows-000.js", "report/report_files/images/0.png"} <= {*names}
