"""The content of eval.json, number by number, and score.py, which computes it again from a file alone."""

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import score

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.data.image_probes import BLANK_IMAGE, SHUFFLED_IMAGE
from reinforced_cot.errors import DataError
from reinforced_cot.evaluation import scores
from reinforced_cot.evaluation.scores import chain_consistency, scored_rows
from reinforced_cot.files import read_json, write_json, write_jsonl
from reinforced_cot.report import cells, tables
from reinforced_cot.scoring.prediction_rows import Prediction, unscored

STEPS = "SELECT(a): red 7\nQUERY(color): "
RED, BLUE = completion_text(STEPS + "red", "red"), completion_text(STEPS + "blue", "blue")


def evaluate(rows: Sequence[Prediction], *files: Any) -> dict[str, Any]:
    return scores.evaluate(list(scored_rows(rows)), *files)


def row(number: int, completion: str, answer: str = "red", **further: Any) -> Prediction:
    example = Example(
        f"q{number}", ("a.png",), "What color?", (answer,), "color", semantic_type="attr", group=f"g{number // 2}"
    )
    return unscored(example, completion, **further)


def four() -> list[Prediction]:
    return [
        row(0, RED, samples=[RED, BLUE], truncated=False, direct_raw="red\n</answer>", blank_image_raw=BLUE),
        row(1, completion_text(STEPS + "red", "blue"), samples=[BLUE, BLUE], truncated=False, direct_raw="blue"),
        row(2, "red is the", samples=["", RED], truncated=True, direct_raw="", shuffled_image_raw=RED),
        row(3, BLUE, "blue", samples=[BLUE, BLUE], truncated=False, direct_raw="blue </answer>"),
    ]


def test_the_shares_and_their_errors() -> None:
    found = evaluate(four())
    assert (found["n"], found["n_images"], found["accuracy"], found["format_rate"]) == (4, 2, 0.5, 0.75)
    assert found["accuracy_interval"] == pytest.approx([0.0061, 0.9939], abs=1e-4)  # of two images: t has one degree
    assert found["truncation_rate"] == 0.25
    assert found["parse_problems"] == {"no <think>": 1}
    # Each image has one right and one wrong answer: no difference between images, so no error is seen.
    assert found["accuracy_error"] == pytest.approx(0.0, abs=1e-12) and found["detectable_difference"] is None


def test_the_breakdowns() -> None:
    found = evaluate(four())
    for key in ("by_question_type", "by_answer_type", "by_semantic_type"):
        (name,) = found[key]
        assert name in ("color", "attr") and found[key][name]["accuracy"] == 0.5
    assert {name: part["n"] for name, part in found["by_chain_length"].items()} == {"4-7": 3}
    assert evaluate([row(0, RED) | {"semantic_type": None}])["by_semantic_type"] == {}


def test_samples_and_answers_without_a_chain() -> None:
    found = evaluate(four())
    assert found["sampled"] == {
        "samples_per_question": 2,
        "accuracy": 0.5,  # RED; none; RED; BLUE, BLUE: 4 of 8
        "accuracy_well_formed": pytest.approx(4 / 7),
        "format_rate": 7 / 8,
        "pass_at_k": {"1": 0.5, "2": 0.75},
    }
    assert (found["direct"]["n"], found["direct"]["accuracy"], found["direct"]["p_value"]) == (4, 0.5, 1.0)
    bare = evaluate([row(0, RED)])
    assert (bare["sampled"], bare["direct"], bare["truncation_rate"], bare["gqa"]) == (None, None, None, None)


def test_chain_consistency_and_its_negative_control() -> None:
    found = chain_consistency(list(scored_rows(four())))
    assert found["all"] == {"n": 3, "coverage": 1.0, "support": 2 / 3, "contradiction": 1 / 3, "bare": 0.0}
    assert found["correct"]["support"] == 1.0 and found["wrong"]["contradiction"] == 1.0
    # red for blue and the other way about: the second chain says red, its answer was blue
    assert found["negative_control"] == {"n": 3, "coverage": 1.0, "support": 1 / 3, "contradiction": 2 / 3}


def test_probes_are_held_against_the_policy_on_the_same_questions() -> None:
    found = evaluate(four())["probes"]
    constants = {probe["text"]: probe for probe in found if probe["probe"] == "constant_answer"}
    assert constants["red"]["score"] == 0.75 and constants["red"]["near"] and constants["red"]["policy"] == 0.5
    assert constants["is it not right, left?"]["score"] == 0.0 and not constants[""]["near"]
    others = {probe["probe"]: probe for probe in found if probe["text"] is None}
    assert others["copied_chain"]["score"] == others["repeated_tags"]["score"] == 0.0
    assert (others[BLANK_IMAGE]["n"], others[BLANK_IMAGE]["score"], others[BLANK_IMAGE]["policy"]) == (1, 0.0, 1.0)
    assert (others[SHUFFLED_IMAGE]["n"], others[SHUFFLED_IMAGE]["score"], others[SHUFFLED_IMAGE]["near"]) == (1, 1, 0)


def test_the_originals_figures_stand_apart() -> None:
    found = evaluate([row(0, "<think>a red cup</think><answer>is it red or blue</answer>"), row(1, "red")])
    assert (found["accuracy"], found["legacy_accuracy"], found["legacy_consistency"]) == (0.0, 0.5, 1.0)


def test_the_questions_are_known_by_their_ids() -> None:
    rows = four()
    asked = evaluate(rows)["questions"]
    assert evaluate([row | {"prediction_raw": ""} for row in rows])["questions"] == asked
    assert evaluate(rows[1:])["questions"] != asked


def test_no_predictions_are_refused() -> None:
    with pytest.raises(DataError, match="no predictions"):
        evaluate([])


def test_gqas_metrics_go_by_the_parsed_answers() -> None:
    record = {"isBalanced": True, "answer": "red", "types": {"structural": "query", "semantic": "attr"}}
    questions = {f"q{number}": record for number in range(4)}
    found = evaluate(four(), questions)["gqa"]
    assert (found["n"], found["accuracy"], found["binary"]) == (4, 25.0, None)


def test_score_gives_what_evaluate_gives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_jsonl(tmp_path / "p.jsonl", four())
    write_jsonl(tmp_path / "reversed.jsonl", four()[::-1])
    write_json(tmp_path / "expected.json", evaluate(four()))
    for name in ("p", "reversed"):
        score.main([str(tmp_path / f"{name}.jsonl"), "--out", str(tmp_path / f"{name}.json")])
        assert (tmp_path / f"{name}.json").read_bytes() == (tmp_path / "expected.json").read_bytes()
    score.main([str(tmp_path / "p.jsonl")])
    assert json.loads(capsys.readouterr().out) == read_json(tmp_path / "expected.json")


def test_score_needs_no_torch_and_names_line_and_key(tmp_path: Path, repo: Path) -> None:
    """As a user of another system calls it, in a folder of their own, with the training libraries out of reach."""
    (tmp_path / "torch.py").write_text("raise ImportError('no torch here')", encoding="utf-8")
    rows = [{"instruction": "Is it red?", "gt_answer": "no", "prediction_raw": "no"}, {"instruction": "Is it?"}]
    write_jsonl(tmp_path / "good.jsonl", rows[:1])
    write_jsonl(tmp_path / "bad.jsonl", rows)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(repo / "workflow/scripts/score.py"), name, "--out", "eval.json"]
        environment = {"PYTHONPATH": str(tmp_path), "PATH": "/usr/bin:/bin"}
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    finished = run("good.jsonl")
    assert finished.returncode == 0, finished.stderr
    assert read_json(tmp_path / "eval.json")["accuracy"] == 0.0  # without its tags
    finished = run("bad.jsonl")
    assert finished.returncode == 1
    assert finished.stderr.startswith("error: bad.jsonl, line 2: the key `gt_answer` is missing")
    assert "Traceback" not in finished.stderr


PLAIN = [
    {
        "id": "1",
        "image_id": "a",
        "instruction": "What color is it?",
        "gt_answer": "red",
        "prediction_raw": "It is red.",
    },
    {"id": "2", "image_id": "b", "instruction": "What color is it?", "gt_answer": "red", "prediction_raw": "blue"},
    {"id": "3", "image_id": "c", "instruction": "Is it red?", "gt_answer": "yes", "prediction_raw": "Yes"},
    {"id": "4", "image_id": "d", "instruction": "Is it red?", "gt_answer": "yes", "prediction_raw": ""},
]


def test_texts_without_tags_are_scored_where_that_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "plain.jsonl"
    write_jsonl(file, PLAIN)
    score.main([str(file)])
    printed = capsys.readouterr()
    assert json.loads(printed.out)["accuracy"] == 0
    assert "4 of 4 texts have no <think> and count as wrong; --answers plain takes them as answers" in printed.err
    score.main([str(file), "--answers", "plain"])
    printed = capsys.readouterr()
    scores = json.loads(printed.out)
    assert (scores["accuracy"], scores["format_rate"], scores["answer_forms"]) == (0.5, 0.75, {"plain": 4})
    assert scores["chain_consistency"]["all"]["n"] == 0 and "no <think>" not in printed.err
    for shares in (scores, *scores["by_answer_type"].values(), *scores["by_question_type"].values()):
        assert (shares["consistency"], shares["supported_accuracy"]) == (None, None)
    assert {probe["probe"] for probe in scores["probes"]} == {"constant_answer"}  # no chain could be cheated with
    score.main([str(file), "--answers", "plain", "--predictions", str(tmp_path / "scored.jsonl")])
    rows = [json.loads(line) for line in (tmp_path / "scored.jsonl").read_text(encoding="utf-8").splitlines()]
    for key in ("is_consist", "chain_verdict", "bare_chain", "control_verdict"):
        assert [row[key] for row in rows] == 4 * [None]
    table = cells.as_html(tables.overview({"other": scores}))
    assert table.count("<td>-</td>") == 3  # consistent, right and supported, cut off


THINK_ALONE = "<think>It is red.</think> red"
OPENED = RED.removeprefix("<think>\n")


@pytest.mark.parametrize(
    ("text", "options", "hint"),
    [
        (
            RED,
            ["--answers", "plain"],
            "2 of 2 texts have tags and were read as plain answers; leave --answers plain out",
        ),
        (THINK_ALONE, ["--answers", "plain"], "2 of 2 texts have tags and were read as plain answers"),
        (THINK_ALONE, [], "2 of 2 texts have no <answer> and count as wrong; wanted: <think> chain </think> <answer> "),
        ("<answer>red</answer>", [], "2 of 2 texts have <answer> without a chain and count as wrong; wanted: <think> "),
        ("red", [], "2 of 2 texts have no <think> and count as wrong; --answers plain takes them as answers"),
        (RED, [], ""),
        ("red", ["--answers", "plain"], ""),
        (
            OPENED,
            [],
            "2 of 2 texts have </think> without <think> and count as wrong; --answers opened adds it, for models whose",
        ),
        (OPENED, ["--answers", "opened"], ""),
        (RED, ["--answers", "opened"], "2 of 2 texts begin with <think> themselves; leave --answers opened out"),
    ],
)
def test_texts_of_another_form_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, options: list[str], hint: str
) -> None:
    file = tmp_path / "p.jsonl"
    write_jsonl(file, [{**row, "prediction_raw": text} for row in PLAIN[:2]])
    score.main([str(file), *options])
    said = capsys.readouterr().err
    assert hint in said and (" of 2 texts " in said) is bool(hint)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--out", "p.jsonl/x.json"], "p.jsonl/x.json cannot be written: .*p.jsonl is no folder"),
        (["--out", "a.json", "--predictions", "a.json"], "--out and --predictions are both a.json"),
        (["--moved", "--out", "a.json"], "--moved prints verdicts"),
        (["absent.jsonl"], "absent.jsonl is no file"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_scored(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    fails_if_called: Any,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(score, "read_predictions", fails_if_called)
    write_jsonl(tmp_path / "p.jsonl", PLAIN)
    with pytest.raises(SystemExit):
        score.main(["p.jsonl", *options])
    assert re.search(message, capsys.readouterr().err)


def test_texts_behind_an_opened_chain_are_scored_as_whole_ones(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By an option, or row by row; the scored file holds the whole texts, and needs neither."""
    whole = {**PLAIN[0], "prediction_raw": RED, "samples": [RED, "red"], "blank_image_raw": RED, "direct_raw": "red"}
    rest = {
        **whole,
        **{"prediction_raw": OPENED, "blank_image_raw": OPENED},
        "samples": [OPENED, "red"],
    }
    marked = {**rest, "answer_form": "opened"}
    files = {name: tmp_path / f"{name}.jsonl" for name in ("whole", "rest", "marked", "scored")}
    for name, row in (("whole", whole), ("rest", rest), ("marked", marked)):
        write_jsonl(files[name], [row])
    wanted = []
    for name, options in (("whole", []), ("rest", ["--answers", "opened"]), ("marked", [])):
        score.main([str(files[name]), *options, "--predictions", str(files["scored"])])
        wanted.append(json.loads(capsys.readouterr().out))
    assert wanted[0] == wanted[1] == wanted[2] and wanted[0]["accuracy"] == 1
    (row,) = (json.loads(line) for line in files["scored"].read_text(encoding="utf-8").splitlines())
    assert (row["prediction_raw"], row["blank_image_raw"], row["direct_raw"]) == (RED, RED, "red")
    assert row["samples"] == [RED, "<think>\nred"] and "answer_form" not in row
    score.main([str(files["scored"])])
    assert json.loads(capsys.readouterr().out) == wanted[0]


def test_a_row_says_how_it_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mixed.jsonl"
    write_jsonl(file, [{**PLAIN[0], "answer_form": "plain"}, {**PLAIN[1], "prediction_raw": RED}])
    score.main([str(file)])
    scores = json.loads(capsys.readouterr().out)
    assert (scores["accuracy"], scores["answer_forms"]) == (1.0, {"plain": 1, "tags": 1})
    write_jsonl(file, [{**PLAIN[0], "answer_form": "letters"}])
    with pytest.raises(DataError, match="line 1: `answer_form` is 'letters'; it must be one of tags, plain"):
        score.main([str(file)])


def test_two_systems_are_compared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    write_jsonl(first, PLAIN)
    write_jsonl(second, [{**row, "prediction_raw": row["gt_answer"]} for row in PLAIN])
    score.main([str(first), str(second), "--answers", "plain"])
    result = json.loads(capsys.readouterr().out)
    assert [system["accuracy"] for system in result["systems"].values()] == [0.5, 1.0]
    [pair] = result["comparisons"]
    assert (pair["before"], pair["after"], pair["gained"], pair["lost"]) == (str(first), str(second), 2, 0)
    with pytest.raises(SystemExit):
        score.main([str(first), str(second), "--predictions", str(tmp_path / "p.jsonl")])


@pytest.mark.parametrize("truth", ["red", "Red", "RED.", "Light Blue"])
def test_accuracy_ignoring_case_lowers_both_sides(truth: str) -> None:
    questions = {"q0": {"answer": truth, "isBalanced": True, "types": {"structural": "query", "semantic": "attr"}}}
    rows = [row(0, completion_text("I look.", truth.lower()), truth)]
    official = evaluate(rows, questions)["gqa"]
    assert official["accuracy_ignoring_case"] == 100
    assert official["accuracy"] == (100 if truth == "red" else 0)  # GQA's own compares raw strings
