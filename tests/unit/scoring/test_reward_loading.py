"""Rewards by name and by module:function; one that raises or returns anything but numbers is refused."""

import asyncio
import inspect
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example
from reinforced_cot.errors import PipelineError
from reinforced_cot.scoring.reward_loading import (
    checked,
    load_rewards,
    loading_problem,
    own_modules,
    reward_hashes,
    used_weights,
)

IDS = ["q1", "q2", "q3"]
TEXTS = ["first", "second", "third"]


def call(reward: Callable[..., list[float]], texts: list[str] = TEXTS) -> list[float]:
    """As TRL's trainer calls a reward: everything by keyword, each data set column as a list."""
    return reward(
        prompts=[[{"role": "user", "content": "What color?"}]] * len(texts),
        completions=[[{"role": "assistant", "content": text}] for text in texts],
        completion_ids=[[1, 2]] * len(texts),
        id=IDS[: len(texts)],
        answer=["red", "blue", "green"][: len(texts)],
        trainer_state=None,
    )


def returning(values: Any) -> Callable[..., list[float]]:
    return checked("mine", lambda completions, **columns: values)


@pytest.fixture(autouse=True)
def same_path() -> Iterator[None]:
    """No test leaves a folder of its own behind on the path."""
    before = list(sys.path)
    yield
    assert sys.path == before


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory for rewards of one's own; modules stay imported, so each test has its own names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return tmp_path


@pytest.mark.parametrize(
    ("rewards", "weights", "modules"),
    [
        ("original", {"original": 1.0}, []),
        ({}, {}, []),
        ({"format": 0.5, "tag_count": None, "brevity": 0}, {"format": 0.5, "brevity": 0}, []),
        ({"b.c:f": 1, "a:f": 2.0, "a:g": 1.0, "unused:f": None, "format": 1}, None, ["a", "b.c"]),
    ],
)
def test_weights_and_modules(rewards: Any, weights: dict[str, float] | None, modules: list[str]) -> None:
    assert own_modules(rewards) == modules
    assert weights is None or used_weights(rewards) == weights


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere:polite", "nowhere.py does not exist"),
        ("package.nowhere:polite", "nowhere.py does not exist"),
        ("broken:polite", "broken.py is not Python"),
        ("binary:polite", "binary.py is not Python"),
        ("manners:rude", "manners.py defines no function rude; it has polite, brief"),
        ("manners:Kind", "manners.py defines Kind, but not as a function with `def`"),  # a class
        ("manners:inner", "manners.py defines no function inner"),
        ("empty:polite", "empty.py defines no function polite; it has none"),
        ("manners:polite", None),
        ("package.manners:polite", None),
    ],
)
def test_the_problem_of_loading_a_reward(folder: Path, name: str, says: str | None) -> None:
    code = "raise SystemExit('it ran')\ndef polite(): ...\ndef brief():\n    def inner(): ...\nclass Kind: ...\n"
    (folder / "package").mkdir()
    for file in ("manners.py", "package/manners.py"):
        (folder / file).write_text(code, encoding="utf-8")  # it is read, not run
    (folder / "broken.py").write_text("def polite(:\n", encoding="utf-8")
    (folder / "binary.py").write_bytes(b"def polite(): '\xff'\n")
    (folder / "empty.py").touch()
    problem = loading_problem(name)
    assert problem is None if says is None else says in str(problem)


def test_built_in_rewards_in_the_order_of_the_config() -> None:
    functions, weights = load_rewards({"tag_count": 0, "correctness": None, "format": 0.5})
    assert [function.__name__ for function in functions] == ["tag_count_reward", "format_reward"]
    assert weights == [0, 0.5]
    texts = [completion_text("I look.", "red"), "<answer>red</answer>"]
    assert [call(function, texts) for function in functions] == [[1.0, 0.5], [1.0, 0.0]]


def test_the_originals_reward_alone() -> None:
    [function], weights = load_rewards("original")
    assert (function.__name__, weights) == ("original_reward", [1.0])


def test_a_reward_of_ones_own(folder: Path) -> None:
    (folder / "polite_rewards.py").write_text(
        "def polite(completions, answer, **columns):\n"
        "    return [len(answer[i]) + ('please' in c[-1]['content']) for i, c in enumerate(completions)]\n",
        encoding="utf-8",
    )
    (folder / "own_package").mkdir()
    (folder / "own_package" / "deep.py").write_text(
        "def polite(completions, **columns):\n    return [0.5 for _ in completions]\n", encoding="utf-8"
    )
    names = {"format": 0.5, "polite_rewards:polite": 2.0, "own_package.deep:polite": 1.0}
    for _ in range(2):
        functions, weights = load_rewards(names)
    assert weights == [0.5, 2.0, 1.0]
    logged = [function.__name__ for function in functions]  # TRL logs them by name: two of one name would be one curve
    assert logged == ["format_reward", "polite_rewards.polite", "own_package.deep.polite"]
    assert call(functions[1], ["red", "blue please", ""]) == [3.0, 5.0, 5.0]
    assert call(functions[2]) == [0.5, 0.5, 0.5]
    assert sys.path.count(str(folder)) == 1
    assert sys.path[-1] == str(folder)  # its files hide no library


@pytest.mark.parametrize(
    ("module", "code", "says"),
    [
        ("absent_rewards", None, "absent_rewards.py does not exist"),
        ("nameless_rewards", "", "defines no function polite"),
        (
            "raising_rewards",
            "def polite(): ...\nraise RuntimeError('no key')\n",
            "cannot be imported: RuntimeError: no key",
        ),
        ("needy_rewards", "import no_such_library\ndef polite(): ...\n", "No module named 'no_such_library'"),
    ],
)
def test_a_reward_that_cannot_be_loaded_is_named(folder: Path, module: str, code: str | None, says: str) -> None:
    if code is not None:
        (folder / f"{module}.py").write_text(code, encoding="utf-8")
    with pytest.raises(PipelineError) as refusal:
        load_rewards({f"{module}:polite": 1.0})
    assert str(refusal.value).startswith(f"reward {module}:polite: ")
    assert says in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "accepted"),
    [
        ([1, 0, -2], [1.0, 0.0, -2.0]),
        ([True, False, np.True_], [1.0, 0.0, 1.0]),
        ([np.float32(0.5), np.float64(-0.25), np.int64(3)], [0.5, -0.25, 3.0]),
        ((0.5, 0.25, 0.0), [0.5, 0.25, 0.0]),
    ],
)
def test_numbers_of_all_kinds_are_accepted(values: Any, accepted: list[float]) -> None:
    rewards = call(returning(values))
    assert rewards == accepted
    assert [type(reward) for reward in rewards] == [float] * 3


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (float("nan"), "nan"),
        (np.float32("nan"), "np.float32(nan)"),
        (float("inf"), "inf"),
        (-float("inf"), "-inf"),
        (None, "None"),
        ("1.0", "'1.0'"),
        ([1.0], "[1.0]"),
        pytest.param(10**400, "1000", id="huge"),
    ],
)
def test_anything_but_a_number_is_refused(value: Any, shown: str, place: int) -> None:
    """TRL would leave a None out of the sum, and let a NaN into the gradient."""
    values = [0.5, 0.5, 0.5]
    values[place] = value
    with pytest.raises(PipelineError) as refusal:
        call(returning(values))
    assert str(refusal.value).startswith(f"reward mine returned {shown}")
    assert str(refusal.value).endswith(f" for this completion to question {IDS[place]}: {TEXTS[place]!r}")


def test_the_first_of_several_bad_values_is_named() -> None:
    with pytest.raises(PipelineError, match="returned None for this completion to question q2: 'second'"):
        call(returning([0.5, None, float("nan")]))


@pytest.mark.parametrize(
    "values",
    [[], [0.5, 0.5], [0.5] * 4, None, 0.5, "abc", {"q1": 0.5, "q2": 0.5, "q3": 0.5}, np.zeros(3), iter([0.5] * 3)],
)
def test_anything_but_one_value_per_completion_is_refused(values: Any) -> None:
    with pytest.raises(PipelineError, match="reward mine must return a list of 3 numbers, not "):
        call(returning(values))


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_completion_that_makes_a_reward_raise_is_named(place: int) -> None:
    def by_text(completions: Any, **columns: Any) -> list[float]:
        texts = [messages[-1]["content"] for messages in completions]
        if TEXTS[place] in texts:
            raise ValueError(f"{len(texts)} at once")
        return [1.0] * len(texts)

    def by_id(completions: Any, id: list[str], **columns: Any) -> list[float]:  # a column is cut with the completions
        return [1 / (name != IDS[place]) for _, name in zip(completions, id, strict=True)]

    for reward, raised in ((by_text, "ValueError: 1 at once"), (by_id, "ZeroDivisionError: division by zero")):
        with pytest.raises(PipelineError) as refusal:
            call(checked("mine", reward))
        expected = f"reward mine raised {raised} for this completion to question {IDS[place]}: {TEXTS[place]!r}"
        assert str(refusal.value) == expected
        assert isinstance(refusal.value.__cause__, (ValueError, ZeroDivisionError))


def test_a_reward_may_be_a_coroutine() -> None:
    under_way: list[int] = []

    async def asked(text: str) -> float:
        under_way.append(len(under_way))
        await asyncio.sleep(0.01)
        assert len(under_way) == len(TEXTS)  # all are asked before one is answered
        return float(len(text))

    async def judged(completions: Any, **columns: Any) -> list[float]:
        return await asyncio.gather(*(asked(messages[-1]["content"]) for messages in completions))

    reward = checked("mine", judged)
    assert call(reward) == [len(text) for text in TEXTS] and not inspect.iscoroutinefunction(reward)

    async def failing(completions: Any, **columns: Any) -> list[float]:
        raise TimeoutError("the judge is silent")

    async def worthless(completions: Any, **columns: Any) -> list[float]:
        return [1.0, math.nan, 1.0]

    with pytest.raises(PipelineError, match="reward mine raised TimeoutError: the judge is silent for one of 3 compl"):
        call(checked("mine", failing))
    with pytest.raises(PipelineError, match="reward mine returned nan for this completion to question q2: 'second'"):
        call(checked("mine", worthless))


def test_a_reward_that_raises_for_all_names_the_first() -> None:
    def always(completions: Any, **columns: Any) -> list[float]:
        raise KeyError("depth")

    def together(completions: Any, **columns: Any) -> list[float]:
        if len(completions) > 1:
            raise RuntimeError("too many")
        return [1.0]

    for reward, raised in ((always, "KeyError: 'depth'"), (together, "RuntimeError: too many")):
        with pytest.raises(PipelineError) as refusal:
            call(checked("mine", reward))
        assert str(refusal.value) == f"reward mine raised {raised} for this completion to question q1: 'first'"


def test_columns_without_one_value_per_completion_stay_whole() -> None:
    """A reward that fails only on its third completion gets these columns for one completion as for the batch."""
    seen: list[tuple[Any, Any]] = []

    def reward(completions: Any, name: str, pair: list[int], **columns: Any) -> list[float]:
        seen.append((name, pair))
        if completions[-1][-1]["content"] == "third":
            raise ValueError("third")
        return [1.0]

    completions = [[{"role": "assistant", "content": text}] for text in TEXTS]
    with pytest.raises(PipelineError, match="ValueError: third for this completion: 'third'"):
        checked("mine", reward)(completions=completions, name="abc", pair=[1, 2])
    assert seen == [("abc", [1, 2])] * 4


def test_rewards_get_what_records_say_beside_the_columns(folder: Path) -> None:
    """Lists, and any values of the source, by the ids of the completions."""
    code = (
        "def mine(completions, answers, choices, answer_kind, extra, scale, **_):\n"
        "    rows = zip(answers, choices, answer_kind, extra, strict=True)\n"
        "    return [scale * (len(a) + 10 * len(c) + 100 * len(k) + 1000 * e.get('depth', 0)) for a, c, k, e in rows]\n"
    )
    (folder / "own_fields.py").write_text(code)
    examples = [
        Example("q1", ("a.png",), "?", ("red",), "query"),
        Example("q2", ("a.png",), "?", ("a", "b"), "query", choices=("a", "b", "c"), answer_kind="text"),
        Example("q3", ("a.png",), "?", ("a",) * 3, "query", extra={"depth": 0.5}),
        Example("q4", ("a.png",), "?", ("a",) * 9, "query"),
    ]
    [mine, correct], _ = load_rewards({"own_fields:mine": 1.0, "correctness": 1.0}, examples[::-1], scale=2)
    assert call(mine) == [2.0, 864.0, 1006.0]
    columns = {"id": ["q2", "q2", "q3"], "answer": ["a", "a", "a"], "question": ["?"] * 3}
    completions = [[{"role": "assistant", "content": completion_text("x", said)}] for said in ("b", "c", "b")]
    assert correct(completions=completions, **columns) == [1.0, 0.0, 0.0]


def test_the_code_of_judges_decides_only_where_there_are_judges(folder: Path) -> None:
    (folder / "own_fields.py").write_text("def mine(completions, **_): return [1.0] * len(completions)\n")
    plain = reward_hashes({"own_fields:mine": 1.0, "judges.grader": 1.0}, [])
    assert plain.keys() == {"own_fields"}
    judged = reward_hashes({"own_fields:mine": 1.0, "judges.grader": 1.0}, ["grader"])
    parts = ("training.judges", "scoring.judge_rewards", "training.reward_model", "endpoints.requests")
    assert {*plain, *(f"reinforced_cot.{part}" for part in parts)} <= judged.keys()


def test_an_own_module_is_never_taken_for_another_of_its_name(folder: Path) -> None:
    (folder / "statistics.py").write_text("def mean(completions, **_): return [7.0] * len(completions)\n")
    ([reward], _) = load_rewards({"statistics:mean": 1.0})
    assert call(reward, ["red"]) == [7.0]
