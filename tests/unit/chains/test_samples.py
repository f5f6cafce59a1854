"""Samples are read whole, counted as rewards count them, and choose the questions of RL."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from reinforced_cot.chains.own_chains import own_completions
from reinforced_cot.chains.policy_keys import PassRate
from reinforced_cot.chains.samples import histogram, kept_by_rate, pass_rates, read_samples
from reinforced_cot.chains.settings import ChainSet, chain_problems
from reinforced_cot.chains.taught import Chain, with_chains, write_chains
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import DataError, PipelineError
from reinforced_cot.result_files import write_result_rows

EXAMPLES = [
    Example(id=f"q{number}", images=("a.png",), question="Is it red?", answers=("yes",), question_type="verify")
    for number in range(3)
]
YES, NO = completion_text("I look.", "yes"), completion_text("I look.", "no")
SAMPLES = {"q0": [YES, NO, YES, "yes"], "q1": [YES] * 4, "q2": [NO] * 4}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_result_rows(tmp_path / "samples.jsonl", ({"id": id, "samples": texts} for id, texts in SAMPLES.items()))
    return tmp_path / "samples.jsonl"


def test_right_samples_are_counted(file: Path) -> None:
    rights = pass_rates(EXAMPLES, read_samples(file, EXAMPLES, 4))
    assert rights == {"q0": 2, "q1": 4, "q2": 0}  # a malformed completion is never right
    assert histogram(rights, 4) == [1, 0, 1, 0, 1]
    assert pass_rates(EXAMPLES, read_samples(file, EXAMPLES, 2)) == {"q0": 1, "q1": 2, "q2": 0}


def test_samples_that_are_missing_or_damaged_are_refused(file: Path) -> None:
    with pytest.raises(DataError, match=r"samples\.jsonl has 4 of 5 samples of question q0"):
        read_samples(file, EXAMPLES, 5)
    with pytest.raises(DataError, match=r"0 of 1 samples of question q9"):
        read_samples(file, [Example("q9", ("a.png",), "?", ("yes",), "verify")], 1)
    file.write_text(file.read_text().replace("yes", "yet", 1))
    with pytest.raises(DataError, match=r"samples\.jsonl"):
        read_samples(file, EXAMPLES, 1)


def test_questions_are_chosen_by_their_share_of_right_samples(tmp_path: Path) -> None:
    rates = {"samples": 4, "histogram": [1, 0, 1, 0, 1], "right": {"q0": 2, "q1": 4, "q2": 0}}

    def kept(*keep: float) -> list[str]:
        return [one.id for one in kept_by_rate(EXAMPLES, rates, (keep[0], keep[1]), tmp_path / "pass_rates.json")]

    assert kept(0.1, 0.9) == ["q0"] and kept(0.5, 1.0) == ["q0", "q1"] and kept(0.0, 0.5) == ["q0", "q2"]
    with pytest.raises(DataError, match=r"no question has a pass rate from 0\.6 to 0\.9 .*0 of 4: 1, 1 of 4: 0, 2 of"):
        kept(0.6, 0.9)
    del rates["right"]["q1"]  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="no pass rate of question q1"):
        kept(0.1, 0.9)


def test_a_set_takes_the_place_of_the_datas_chains(tmp_path: Path) -> None:
    chains = [Chain("q0", "First.", "yes"), Chain("q0", "Second.", "yes"), Chain("q2", "Third.", "Yes!")]
    write_chains(tmp_path / "own.jsonl", chains)
    taught = with_chains(EXAMPLES, tmp_path / "own.jsonl")
    assert [(one.id, one.chain, one.taught_answer) for one in taught] == [
        ("q0", "First.", "yes"),
        ("q0#2", "Second.", "yes"),
        ("q2", "Third.", "Yes!"),
    ]
    with pytest.raises(DataError, match="a chain of question q2, which the train split does not have"):
        with_chains(EXAMPLES[:2], tmp_path / "own.jsonl")


def test_a_function_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(
        "def one(record):\n    return f\"Of {record['question']}\" if record['id'] == 'q0' else None\n"
        "def two(record):\n    return ['a', 'b']\n"
        "def wrong(record):\n    return 3\n"
        "def broken(record):\n    return record['chain']\n"
    )
    assert own_completions("mine:one", EXAMPLES) == {
        "q0": [completion_text("Of Is it red?", "yes")],
        "q1": [],
        "q2": [],
    }
    assert own_completions("mine:two", EXAMPLES[:1])["q0"] == [completion_text(text, "yes") for text in "ab"]
    with pytest.raises(DataError, match="question q0: must return a text, a list of texts or None, not 3"):
        own_completions("mine:wrong", EXAMPLES)
    with pytest.raises(DataError, match=r"question q0: raised KeyError: 'chain' \(mine\.py, line 8\)"):
        own_completions("mine:broken", EXAMPLES)
    with pytest.raises(PipelineError, match="defines no function three"):
        own_completions("mine:three", EXAMPLES)


@pytest.mark.parametrize("name", ["data", "Own", "own.ask", "a/b", ""])
def test_a_set_needs_a_name_of_its_own(name: str) -> None:
    (problem,) = chain_problems(name, ChainSet(by="policy", policy="base"))
    assert problem.startswith(f"`chains.{name}`: a set's name is lower-case letters")


def test_a_pass_rate_that_no_number_of_samples_can_have() -> None:
    with pytest.raises(ValidationError, match="no number of right samples out of 4 lies in it"):
        PassRate.model_validate({"of": "sft", "samples": 4, "keep": [0.8, 0.9]})


def test_the_bounds_of_a_pass_rate_have_an_order() -> None:
    with pytest.raises(ValidationError, match="the least first"):
        PassRate(of="base", keep=(0.9, 0.1))


@pytest.mark.parametrize(
    ("settings", "problems"),
    [
        ({"by": "policy", "policy": "base", "samples": 4}, []),
        (
            {"by": "endpoint", "url": "http://x/v1", "model": "m", "max_cost": 1.0},
            ["`chains.own.max_cost` is only read with `chains.own.price`; set that too, or this null"],
        ),
        ({"by": "policy"}, ["`chains.own.policy` is missing; `by: policy` needs it"]),
        ({"by": "gone:f"}, ["`chains.own.by` names gone:f; gone.py does not exist"]),
        (
            {"by": "gone:f", "policy": "base"},
            ["`chains.own.policy` is not read with `by: gone:f`; remove it", "`chains.own.by` names gone:f"],
        ),
    ],
)
def test_keys_that_a_set_lacks_or_does_not_read(settings: dict[str, object], problems: list[str]) -> None:
    found = list(chain_problems("own", ChainSet.model_validate(settings)))
    assert len(found) == len(problems)
    assert all(line.startswith(problem) for line, problem in zip(found, problems, strict=True)), found
