"""A completion is taught only if it is right, led to by its chain, and says nothing that the model could not see."""

import pytest

from reinforced_cot.chains.filters import filtered
from reinforced_cot.chains.settings import ChainSet
from reinforced_cot.data.completions import completion_text
from reinforced_cot.data.examples import Example

GOOD = "The cup on the left table has a handle and looks red. So the answer is red."


def question(id: str = "q", text: str = "What color is the cup?", answer: str = "red") -> Example:
    return Example(id=id, images=("a.png",), question=text, answers=(answer,), question_type="query")


def chosen(**changes: int) -> ChainSet:
    return ChainSet.model_validate({"by": "policy", "policy": "base", **changes})


@pytest.mark.parametrize(
    ("completion", "reason"),
    [
        (completion_text(GOOD, "red"), None),
        (GOOD, "malformed: no <think>"),
        (completion_text(GOOD, "blue"), "wrong answer"),
        (
            completion_text(GOOD.replace("is red.", "is blue."), "red"),
            "the chain does not lead to the answer (contradict)",
        ),
        (
            completion_text("I look at the picture of a kitchen with a cup.", "red"),
            "the chain does not lead to the answer",
        ),
        (completion_text("It is red.", "red"), "the chain adds too little to question and answer"),
        (completion_text(f"{'Look. ' * 30}{GOOD}", "red"), "longer than 40 words"),
        (completion_text(f"The correct answer is red. {GOOD}", "red"), "names the given answer"),
        (completion_text(f"Since we are told it is red: {GOOD}", "red"), "names the given answer"),
        (completion_text(f"In the scene graph, there is a cup. {GOOD}", "red"), "names the annotation"),
        (completion_text(f"The cup (1234567) is there. {GOOD}", "red"), "holds an object's id"),
        (completion_text(f"Object 8123 is a cup. {GOOD}", "red"), "holds an object's id"),
        (completion_text("图片里有一个杯子,杯子放在桌子上,它是红色的。所以答案是 red", "red"), "another script"),
    ],
)
def test_each_fault_has_a_reason(completion: str, reason: str | None) -> None:
    result = filtered([question()], {"q": [completion]}, chosen(max_words=40))
    if reason is None:
        assert [(chain.id, chain.chain, chain.answer) for chain in result.kept] == [("q", GOOD, "red")]
        assert [row.completion for row in result.accepted] == [completion] and not result.refused
    else:
        (found,) = result.rejected
        assert found.startswith(reason) and not result.kept
        assert [row.reason for row in result.refused] == [found]


def test_a_question_has_at_most_so_many_chains_and_each_once() -> None:
    other = GOOD.replace("handle", "blue handle")
    texts = [completion_text(text, "red") for text in (GOOD, GOOD, other, other.replace("table", "shelf"))]
    result = filtered([question()], {"q": texts}, chosen(per_question=2))
    assert [chain.chain for chain in result.kept] == [GOOD, other]
    assert result.rejected == {"said before": 1, "the question has enough": 1}
    assert [chain.chain for chain in filtered([question()], {"q": texts}, chosen()).kept] == [GOOD]


def test_the_summary_counts_and_shows_some_of_each_reason() -> None:
    questions = [question(f"q{number}") for number in range(30)]
    texts = {
        one.id: [completion_text(GOOD, "red")]
        if number < 20
        else [GOOD]
        if number < 26
        else [completion_text(GOOD, "a")]
        for number, one in enumerate(questions)
    }
    del texts["q29"]  # a source may have nothing to say of a question
    summary = filtered(questions, texts, chosen()).summary()
    assert (summary["questions"], summary["completions"], summary["chains"]) == (30, 29, 20)
    assert summary["rejected"] == {"malformed: no <think>": 6, "wrong answer": 3}
    assert summary["words"] == {"min": 17, "median": 17, "max": 17}
    assert (summary["distinct_chains"], summary["distinct_openings"]) == (1, 1)
    assert len(summary["accepted"]) == 10
    assert [row["reason"] for row in summary["refused"]] == ["malformed: no <think>"] * 3 + ["wrong answer"] * 3
    assert filtered([], {}, chosen()).summary()["words"] is None


def test_chains_in_the_questions_own_script_are_kept() -> None:
    chinese = question(text="杯子是什么颜色?", answer="红色")
    chain = "图片里有一个杯子,杯子放在木头桌子上,旁边有一把勺子。所以答案是红色。"
    result = filtered([chinese], {"q": [completion_text(chain, "红色")]}, chosen())
    assert "another script than the question's" not in result.rejected
