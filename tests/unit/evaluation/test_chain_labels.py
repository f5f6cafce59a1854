"""The judge of chains is compared with labels that a person gave."""

from pathlib import Path
from typing import Any

import pytest
import score
from report_runs import write_answers

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.chain_labels import against_labels, read_labels
from reinforced_cot.evaluation.uncertainty import wilson
from reinforced_cot.files import write_jsonl, write_text


def row(id: str, verdict: str | None, image: str = "") -> dict[str, Any]:
    return {"id": id, "image_id": image or id, "chain_verdict": verdict}


ROWS = [
    *(row(f"s{number}", "support") for number in range(4)),
    *(row(f"c{number}", "contradict") for number in range(3)),
    *(row(f"u{number}", "unknown") for number in range(2)),
    row("plain", None),  # an answer without a chain
]
LABELS = {
    **{"s0": "right", "s1": "right", "s2": "wrong", "s3": "unclear"},
    **{"c0": "wrong", "c1": "wrong", "c2": "right", "u0": "right", "u1": "wrong"},
    **{"elsewhere": "right", "plain": "unclear"},
}


def test_every_label_is_counted_once() -> None:
    found = against_labels(LABELS, ROWS)
    assert found["table"] == {
        "right": {"support": 2, "contradict": 1, "unknown": 1},
        "wrong": {"support": 1, "contradict": 2, "unknown": 1},
        "unclear": {"support": 1, "contradict": 0, "unknown": 1},
    }
    assert (found["labels"], found["unclear"], found["absent"]) == (11, 2, 1)
    assert found["agreement"] == {"share": 5 / 8, "interval": [*wilson(5 / 8, 8)], "n": 8}
    assert found["precision"] == {"share": 2 / 3, "interval": [*wilson(2 / 3, 3)], "n": 3}
    assert found["recall"] == {"share": 2 / 4, "interval": [*wilson(2 / 4, 4)], "n": 4}


def test_labels_about_one_image_are_not_independent() -> None:
    rows = [row(f"{image}{number}", "support", image) for image in "abcd" for number in range(5)]
    labels = {one["id"]: "right" if one["image_id"] < "c" else "wrong" for one in rows}
    [low, high] = against_labels(labels, rows)["agreement"]["interval"]
    assert high - low > wilson(0.5, 20)[1] - wilson(0.5, 20)[0]
    one_image = against_labels(labels, rows[:5])
    assert one_image["agreement"] == {"share": 1.0, "interval": None, "n": 5}


def test_nothing_is_divided_by_no_label() -> None:
    found = against_labels({"s0": "unclear", "c0": "wrong"}, ROWS)
    assert (found["precision"], found["recall"]) == (None, None) and found["agreement"]["n"] == 1
    assert against_labels({"elsewhere": "right"}, ROWS)["agreement"] is None


GOOD = '{"id": "q1", "policy": "grpo", "label": "right"}'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f'{GOOD}\n{{"id": "q2", "policy"', r"labels\.jsonl, line 2: not valid JSON .*is the line truncated\?"),
        (f"{GOOD}\n[]", r"line 2: expected a JSON object, found list"),
        (f'{GOOD}\n\n{{"id": "q2", "policy": "grpo"}}', r"line 3: the text `label` is missing; a label has id, policy"),
        ('{"id": 1, "policy": "grpo", "label": "right"}', r"line 1: the text `id` is 1; a label has id, policy, label"),
        ('{"id": "q1", "policy": null, "label": "right"}', r"line 1: the text `policy` is null"),
        (
            GOOD.replace("right", "good"),
            r"line 1: the label is 'good'; it can be right, wrong, unclear",
        ),
        (
            f"{GOOD}\n{GOOD.replace('right', 'wrong')}",
            r"line 2: question 'q1' of policy 'grpo' has a label in line 1 as well; keep one",
        ),
        ("\n", r"labels\.jsonl holds no labels: give some in the report's gallery"),
    ],
)
def test_a_file_that_is_no_labels_is_refused(tmp_path: Path, text: str, message: str) -> None:
    write_text(tmp_path / "labels.jsonl", text)
    with pytest.raises(DataError, match=message):
        read_labels(tmp_path / "labels.jsonl")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """Twelve questions; grpo's first four answers are right, and follow from their chains."""
    write_answers(tmp_path, ["base", "sft", "grpo"], 12)
    labels = [
        {"id": f"q{number}", "policy": policy, "label": "right" if number < 3 else "wrong"}
        for policy in ("sft", "grpo")
        for number in range(5)
    ]
    write_jsonl(tmp_path / "labels.jsonl", labels)
    return tmp_path


def test_the_folder_names_the_policy(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    score.main([str(results / "grpo/predictions.jsonl"), "--labels", str(results / "labels.jsonl")])
    printed = capsys.readouterr().out
    assert "labels of grpo's chains: 5, of them unclear: 0" in printed
    assert "right              3           0           0" in printed
    assert "precision of support  0.750 [0.301, 0.954] of 4" in printed
    assert "recall of support     1.000 [0.439, 1.000] of 3" in printed
    monkeypatch.chdir(results / "sft")  # also where the path does not have it
    score.main(["predictions.jsonl", "--labels", "../labels.jsonl"])
    assert "labels of sft's chains: 5" in capsys.readouterr().out


def test_a_policy_can_be_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (results / "grpo").rename(results / "elsewhere")
    command = [str(results / "elsewhere/predictions.jsonl"), "--labels", str(results / "labels.jsonl")]
    with pytest.raises(
        DataError, match="no label for policy 'elsewhere'; it has labels for 'sft', 'grpo': choose with --p"
    ):
        score.main(command)
    score.main([*command, "--policy", "grpo"])
    assert "labels of grpo's chains: 5" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--labels", "absent.jsonl"], "absent.jsonl is no file"),
        (["--labels", "labels.jsonl", "--out", "eval.json"], "goes with none of --out"),
        (["sft/predictions.jsonl", "--labels", "labels.jsonl"], "--labels is for one file"),
        (["--policy", "grpo"], "give both"),
    ],
)
def test_options_that_do_not_go_together(
    results: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(results)
    with pytest.raises(SystemExit):
        score.main(["grpo/predictions.jsonl", *options])
    assert message in capsys.readouterr().err
