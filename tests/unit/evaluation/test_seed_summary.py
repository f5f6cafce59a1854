"""Mean and spread over seeds, as numbers and from the files of three runs."""

import json
from pathlib import Path
from typing import Any

import pytest
import seeds as seeds_script

from reinforced_cot.errors import DataError
from reinforced_cot.evaluation.seed_summary import spread

ACCURACY = {  # by seed
    "base": {1: 0.25, 2: 0.25, 3: 0.25},
    "sft": {1: 0.5, 2: 0.625, 3: 0.75},
    "gspo": {1: 0.875, 2: 0.625, 3: 1.0},
}
ORIGINS = {"sft": "base", "gspo": "sft"}


def scores(policy: str, seed: int) -> dict[str, Any]:
    """As in eval.json; base is never sampled, and gspo is not sampled at seed 3."""
    accuracy = ACCURACY[policy][seed]
    sampled = policy != "base" and (policy, seed) != ("gspo", 3)
    return {
        "accuracy": accuracy,
        "format_rate": seed / 4,
        "consistency": 0.5,
        "supported_accuracy": accuracy / 2,
        "sampled": {"accuracy": accuracy - 0.25} if sampled else None,
        "n": 8,
    }


def evaluations(*seeds: int) -> dict[int, dict[str, dict[str, Any]]]:
    return {seed: {policy: scores(policy, seed) for policy in ACCURACY} for seed in seeds}


def check_three_seeds(found: dict[str, Any]) -> None:
    assert found["seeds"] == [1, 2, 3]
    assert found["policies"].keys() == ACCURACY.keys()
    sft = found["policies"]["sft"]
    assert sft["accuracy"] == {"mean": 0.625, "deviation": 0.125, "values": [0.5, 0.625, 0.75]}  # n - 1
    assert sft["format_rate"] == {"mean": 0.5, "deviation": 0.25, "values": [0.25, 0.5, 0.75]}
    assert sft["consistency"] == {"mean": 0.5, "deviation": 0.0, "values": [0.5, 0.5, 0.5]}
    assert sft["supported_accuracy"] == {"mean": 0.3125, "deviation": 0.0625, "values": [0.25, 0.3125, 0.375]}
    assert sft["sampled_accuracy"] == {"mean": 0.375, "deviation": 0.125, "values": [0.25, 0.375, 0.5]}


def test_three_seeds() -> None:
    check_three_seeds(spread(evaluations(1, 2, 3), ORIGINS))


def test_gains_are_paired_seed_by_seed() -> None:
    gains = spread(evaluations(1, 2, 3), ORIGINS)["gains"]
    assert {policy: gain["over"] for policy, gain in gains.items()} == ORIGINS  # not of the base
    assert gains["sft"]["values"] == [0.25, 0.375, 0.5]
    assert gains["gspo"]["values"] == [0.375, 0.0, 0.25]
    assert gains["gspo"]["mean"] == pytest.approx(0.625 / 3)
    assert gains["gspo"]["deviation"] == pytest.approx(((0.375**2 + 0.25**2 - 0.625**2 / 3) / 2) ** 0.5)


def test_a_seed_without_samples_leaves_their_accuracy_out() -> None:
    policies = spread(evaluations(1, 2, 3), ORIGINS)["policies"]
    assert [policy for policy in policies if "sampled_accuracy" in policies[policy]] == ["sft"]
    assert spread(evaluations(1, 2), ORIGINS)["policies"]["gspo"]["sampled_accuracy"]["values"] == [0.625, 0.375]


def test_one_seed_has_no_deviation() -> None:
    found = spread(evaluations(2), ORIGINS)
    assert found["policies"]["sft"]["accuracy"] == {"mean": 0.625, "deviation": None, "values": [0.625]}
    assert found["gains"]["gspo"] == {"over": "sft", "mean": 0.0, "deviation": None, "values": [0.0]}


def test_a_policy_may_start_from_one_that_is_not_evaluated() -> None:
    assert spread(evaluations(1, 2), {"sft": "base", "gspo": "other"})["gains"].keys() == {"sft"}


def test_the_order_of_seeds_is_the_values_order() -> None:
    found = spread(evaluations(3, 1), ORIGINS)
    assert (found["seeds"], found["policies"]["sft"]["accuracy"]["values"]) == ([3, 1], [0.75, 0.5])


def run_script(results: Path, *seeds: int) -> dict[str, Any]:
    arguments = ["--results", str(results), "--policies", *ACCURACY, "--seeds", *map(str, seeds)]
    starts = [f"{policy}={origin}" for policy, origin in ORIGINS.items()]
    seeds_script.main([*arguments, "--starts", *starts, "--output", str(results / "seeds.json")])
    return json.loads((results / "seeds.json").read_text(encoding="utf-8"))


def write_run(folder: Path, seed: int) -> None:
    for policy in ACCURACY:
        (folder / policy).mkdir(parents=True)
        (folder / policy / "eval.json").write_text(json.dumps(scores(policy, seed)), encoding="utf-8")


def test_the_script_reads_the_first_seed_from_the_folder_itself(tmp_path: Path) -> None:
    for seed, folder in {1: tmp_path, 2: tmp_path / "seed_2", 3: tmp_path / "seed_3"}.items():
        write_run(folder, seed)
    check_three_seeds(run_script(tmp_path, 1, 2, 3))


def test_the_script_names_the_file_that_is_missing(tmp_path: Path) -> None:
    write_run(tmp_path, 1)
    with pytest.raises(DataError, match=r"seed_2.base.eval\.json does not exist"):
        run_script(tmp_path, 1, 2)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"consistency"',
            '"konsistency"',
            r"has no key consistency: delete \S*seed_2.sft.eval\.json and give the same",
        ),
        ('"sampled": {"accuracy"', '"sampled": {"a"', r"has no key sampled\.accuracy: delete"),
        ('"consistency": 0.5', '"consistency": NaN', r"holds nan as consistency: delete"),
    ],
)
def test_the_script_names_the_file_that_is_damaged(tmp_path: Path, old: str, new: str, message: str) -> None:
    for seed, folder in {1: tmp_path, 2: tmp_path / "seed_2"}.items():
        write_run(folder, seed)
    file = tmp_path / "seed_2/sft/eval.json"
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))
    with pytest.raises(DataError, match=rf"seed_2.sft.eval\.json {message}"):
        run_script(tmp_path, 1, 2)
