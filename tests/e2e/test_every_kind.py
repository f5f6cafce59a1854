"""Questions of every kind of answer through a whole run: prepared, taught, reinforced, evaluated, with rows of each."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from workflow_copy import WorkflowCopy

RESULTS = "results/smoke"
# Question, true answer (a list is one answer of its kind, but for vqa), kind.
QUESTIONS = [
    ("Is it red?", "no", "yes_no"),
    ("What is it?\nA. cup\nB. dog", "dog", "choice"),
    ("Which letter is shown?", "B", "letter"),
    ("What does the sign say?", "no entry", "text"),
    ("How long is it?", "5 cm", "number relative=0.1"),
    ("How long is the side?", "\\frac{1}{2}", "math"),
    ("Where is the dog?", [4, 4, 40, 40], "box iou=0.5"),
    ("Which colors are there, from left to right?", ["red", "blue"], "list"),
    ("Which animals are there?", "cat, dog", "set"),
    ("What is on the table?", ["net"] * 4 + ["racket"] * 6, "vqa"),
]
CONFIG = {
    "report": ["base", "sft", "grpo"],
    "data": {
        "source": "table",
        "answer_kind": "text",
        "splits": {s: {"file": f"{s}.jsonl"} for s in ("train", "val", "test")},
    },
}


@pytest.fixture(scope="module")
def workflow(finished_run: WorkflowCopy, tmp_path_factory: pytest.TempPathFactory) -> WorkflowCopy:
    root = tmp_path_factory.mktemp("kinds") / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    for split, times in (("train", 4), ("val", 1), ("test", 2)):
        write_split(root, split, times)
    (root / "kinds.yaml").write_text(yaml.safe_dump(CONFIG))
    return WorkflowCopy(root, (*finished_run.options, "kinds.yaml"))


def write_split(root: Path, split: str, times: int) -> None:
    rows = []
    for number in range(times * len(QUESTIONS)):
        question, answer, kind = QUESTIONS[number % len(QUESTIONS)]
        pixels = np.random.default_rng([number, len(split)]).integers(0, 255, (56, 56, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / f"{split}-{number}.png")
        said = answer if isinstance(answer, str) else json.dumps(answer)
        rows.append(
            {
                **{"id": f"{split}-{number}", "image": f"{split}-{number}.png", "question": question},
                **{"answer": answer, "chain": f"I look at the picture from left to right. It says {said}."},
                **({} if kind == "text" else {"answer_kind": kind}),
            }
        )
    rows.append({**rows[0], "id": "bad", "answer": "perhaps"})
    if split == "test":
        rows.append({**rows[6], "id": "outside", "answer": [4, 4, 400, 40]})
        rows.append({**rows[6], "id": "no kind", "answer_kind": "boxx"})
    (root / f"{split}.jsonl").write_text("\n".join(map(json.dumps, rows)))


def test_every_kind_has_its_rows(workflow: WorkflowCopy) -> None:
    workflow.edit("kinds.yaml", "  answer_kind: text\n", "  answer_kind: text\n  max_rejected_share: 0.2\n")
    workflow.snakemake("--cores", "2")
    results = workflow.root / RESULTS
    rejected = [json.loads(line) for line in (results / "data/rejected.test.jsonl").read_text().splitlines()]
    assert {row["id"]: row["reason"] for row in rejected} == {
        **{"bad": "answer of another kind", "outside": "box outside the image", "no kind": "unknown answer kind"}
    }
    prepared = [json.loads(line) for line in (results / "data/test.jsonl").read_text().splitlines()]
    assert [row["answers"][0] for row in prepared[6:8]] == ["[4, 4, 40, 40]", '["red", "blue"]']
    assert len(prepared) == 20 and prepared[3]["answer_kind"] == "text" and len(prepared[9]["answers"]) == 10
    scores = json.loads((results / "sft/eval.json").read_text())
    kinds = {"math", "box", "list", "set"}
    assert kinds < scores["by_answer_type"].keys() and {"yes/no", "choice", "number"} < scores["by_answer_type"].keys()
    constants = {probe["text"]: probe["score"] for probe in scores["probes"] if probe["probe"] == "constant_answer"}
    assert constants["[4.0, 4.0, 40.0, 40.0]"] == pytest.approx(2 / 20)  # the middle of all true boxes
    assert constants["racket"] == pytest.approx(2 / 20) and constants["5 cm"] == pytest.approx(2 / 20)
    assert constants['["red", "blue"]'] == pytest.approx(2 / 20) and "0 = 0" in constants
    page = (results / "report.html").read_text()
    assert all(f">{kind}<" in page for kind in kinds)
    rows = [json.loads(line) for line in (results / "sft/predictions.jsonl").read_text().splitlines()]
    assert sum("credit" in row for row in rows) == 2  # of vqa, the kind with parts


def test_a_kind_that_is_unknown_is_refused_before_anything_runs(workflow: WorkflowCopy) -> None:
    config = {**CONFIG, "data": {**CONFIG["data"], "answer_kind": "numbr"}}  # type: ignore[dict-item]
    (workflow.root / "other.yaml").write_text(yaml.safe_dump(config))
    refused = WorkflowCopy(workflow.root, (*workflow.options[:-1], "other.yaml")).refusal()
    assert "`data.answer_kind`: the answer kind 'numbr' is unknown; did you mean number?" in refused
    config["data"]["answer_kind"] = "box iuo=0.5"  # type: ignore[index]
    (workflow.root / "other.yaml").write_text(yaml.safe_dump(config))
    refused = WorkflowCopy(workflow.root, (*workflow.options[:-1], "other.yaml")).refusal()
    assert "`data.answer_kind`: the answer kind 'box iuo=0.5': box has no setting 'iuo'" in refused
