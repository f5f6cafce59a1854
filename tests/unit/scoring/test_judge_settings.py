"""The section of judges: what is missing, not read or not filled is said before anything runs."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from reinforced_cot.config.reward_checks import reward_problems
from reinforced_cot.errors import PipelineError
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.run_fingerprint import differences, fingerprint
from reinforced_cot.scoring.judge_settings import (
    Judge,
    endpoint_of,
    judge_problems,
    model_files,
    shared_by,
    used_judges,
    with_control,
    without_control,
)

PRICE = {"input": 1.0, "output": 1.0}
ENDPOINT = {"by": "endpoint", "url": "http://localhost:8000/v1", "model": "m"}


def problems(name: str = "grader", **values: Any) -> list[str]:
    return list(judge_problems({name: Judge.model_validate(values)}))


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"by": "endpoint", "model": "m"}, "`judges.grader.url` is missing; `by: endpoint` needs it"),
        ({**ENDPOINT, "path": "x"}, "`judges.grader.path` is not read with `by: endpoint`; remove it"),
        ({**ENDPOINT, "max_cost": 1.0}, "`judges.grader.max_cost` is only read with `judges.grader.price`"),
        ({**ENDPOINT, "scale": [5, 5]}, "`judges.grader.scale` is [5.0, 5.0]; it must be [lowest, highest]"),
        (
            {**ENDPOINT, "prompt": "{answr}? {chain}"},
            "`judges.grader.prompt` names {answr}, which nothing fills; did you mean {answer}?",
        ),
        ({**ENDPOINT, "prompt": "{question}"}, "names neither {chain} nor {answer}: the judge would see nothing"),
        ({"by": "model", "path": "no/such", "scale": [0, 1]}, "is no/such, which is no folder with a config.json"),
        ({"by": "model", "path": "."}, "`judges.grader.scale` is missing; `by: model` needs it"),
        ({"by": "model", "path": ".", "scale": [0, 1], "url": "http://a/v1"}, "`judges.grader.url` is not read with"),
    ],
)
def test_mistakes(values: dict[str, Any], told: str) -> None:
    assert any(told in line for line in problems(**values)), problems(**values)


def test_a_sound_judge_and_a_name_that_is_none(tmp_path: Path) -> None:
    assert problems(**ENDPOINT, prompt='{"score": 0} \\\\boxed{N} {chain}', on_failure=0.5) == []
    (tmp_path / "config.json").write_text("{}")
    assert problems(by="model", path=str(tmp_path), scale=[-3, 3]) == []
    assert "lower-case letters" in problems("My judge", **ENDPOINT)[0]


def test_rewards_name_judges_that_exist() -> None:
    judges = {"grader": Judge.model_validate(ENDPOINT)}
    assert list(reward_problems("rewards", {"judges.grader": 1.0}, judges)) == []
    assert list(reward_problems("rewards", {"judges.grade": 1.0}, judges)) == [
        "`rewards` names judges.grade, and it has grader: add `judges.grade`, or correct the name"
    ]
    assert list(used_judges({"judges.grader": 1.0, "format": 1.0}, judges)) == ["grader"]
    assert used_judges({"judges.grader": None}, judges) == used_judges("original", judges) == {}


def test_several_processes_share_the_bounds() -> None:
    stated = {**ENDPOINT, "concurrency": 16, "requests_per_minute": 3, "max_requests": 9, "max_cost": 2.0}
    judge = used_judges({"judges.grader": 1}, {"grader": Judge.model_validate({**stated, "price": PRICE})})["grader"]
    part = shared_by(endpoint_of(judge), 4)
    assert (part.concurrency, part.requests_per_minute, part.max_requests, part.max_cost) == (4, 1, 2, 0.5)
    assert shared_by(endpoint_of(judge), 1) == endpoint_of(judge)


@pytest.mark.parametrize("url", ["http://me:secret@host/v1", "https://key@host", "ftp://host/v1", "host/v1"])
def test_a_url_holds_no_key(url: str) -> None:
    with pytest.raises(ValidationError):
        Judge.model_validate({**ENDPOINT, "url": url})


def test_all_files_of_a_reward_model_decide(tmp_path: Path) -> None:
    for name in ("config.json", "pytorch_model.bin", "code/modeling.py", ".cache"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    judges = {"taste": Judge.model_validate({"by": "model", "path": str(tmp_path), "scale": [0, 1]})}
    found = model_files(judges)
    assert sorted(found) == [
        f"judges.taste/{name}" for name in ("code/modeling.py", "config.json", "pytorch_model.bin")
    ]
    before = fingerprint(SCRIPTS / "config.py", {}, [], found)
    (tmp_path / "pytorch_model.bin").write_text("other weights")
    assert list(differences(before, fingerprint(SCRIPTS / "config.py", {}, [], found))) == [
        "inputs.judges.taste/pytorch_model.bin"
    ]


def test_how_a_judge_is_asked_is_no_part_of_its_recorded_settings() -> None:
    judge = used_judges({"judges.grader": 1}, {"grader": Judge.model_validate({**ENDPOINT, "key_env": "KEY"})})[
        "grader"
    ]
    recorded = without_control(judge)
    assert {"url", "key_env", "concurrency", "timeout"}.isdisjoint(recorded.as_dict())
    assert {"by", "model", "prompt", "scale", "on_failure"} <= recorded.as_dict().keys()
    whole = with_control({"grader": recorded}, {"grader": {"url": ENDPOINT["url"], "key_env": "KEY"}})["grader"]
    assert whole == judge
    with pytest.raises(PipelineError, match=r"does not say where judges\.grader is asked"):
        with_control({"grader": recorded}, {})
