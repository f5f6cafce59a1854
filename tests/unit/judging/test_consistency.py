"""Whether a chain leads to its answer: a table, 240 chains labelled by reading, and all chains of the real sample."""

import hashlib
import json
from collections import Counter

import pytest
from places import DATA, SHARED

from reinforced_cot.data.question_types import infer_question_type
from reinforced_cot.judging.consistency import is_bare, judge
from reinforced_cot.reading.conclusions import stated_conclusion
from reinforced_cot.reading.verdict import Verdict

LABELS = DATA / "chain_labels.jsonl"
SAMPLE = SHARED / "data/gqa-cot-sample/train_data.jsonl"
PREFIX = "Please answer based on the image content: "
SUPPORT, CONTRADICT, UNKNOWN = Verdict.SUPPORT, Verdict.CONTRADICT, Verdict.UNKNOWN
STEPS = "SELECT(top left): red 7\nQUERY(color): "
VAN = "Is the van to the right or to the left of the car on the right?"


@pytest.mark.parametrize(
    ("think", "question", "answer", "verdict"),
    [
        # steps conclude after their colon
        (STEPS + "red", "", "red", SUPPORT),
        (STEPS + "Red.", "", "the red", SUPPORT),
        (STEPS + "red\n \n", "", "red", SUPPORT),
        (STEPS + "red", "", "it is red", SUPPORT),
        (STEPS + "red", "", "blue", CONTRADICT),
        (STEPS + "red blue", "", "red", CONTRADICT),
        (STEPS, "", "red", CONTRADICT),  # a step without a result leads to no answer
        ("QUERY(color): red\nSELECT(top left): blue 7", "", "red", CONTRADICT),  # the last step counts
        ("LARGER(3, 17): 17", "", "7", CONTRADICT),
        (STEPS.replace("color", "name") + "side table", "", "side table", SUPPORT),
        (STEPS.replace("color", "name") + "cups", "", "cup", SUPPORT),
        ("SELECT(a): b\nEXIST(a): yes", "", "Yes, there is.", SUPPORT),
        ("SELECT(a): b\nEXIST(a): no", "", "Yes, there is.", CONTRADICT),
        # open answers
        ("The man holds a tennis racket.", "What does the man hold?", "tennis racket", SUPPORT),
        ("The man holds a tennis racket.", "What does the man hold?", "A racket", SUPPORT),
        ("The man holds a tennis racket.", "What does the man hold?", "bat", CONTRADICT),
        ("Therefore: the answer is blue", "What color is it?", "blue", SUPPORT),
        ("The cup is white or gray.", "What color is the cup?", "white", UNKNOWN),  # it does not choose
        ("The cup is not white.", "What color is the cup?", "white", CONTRADICT),
        ("I look at the picture.", "What color is the cup?", "blue", UNKNOWN),
        ("The color of the cup cannot be determined.", "What color is the cup?", "blue", UNKNOWN),
        ("There are seventeen.", "How many cups are there?", "seven", CONTRADICT),  # whole words only
        # yes and no; in the original, every chain whose answer was "no" also supported "yes"
        ("No, there is not, so it is not correct.", "Is there a cup?", "no", SUPPORT),
        ("No, there is not, so it is not correct.", "Is there a cup?", "yes", CONTRADICT),
        ("There are no cups on the table.", "Are there cups on the table?", "no", SUPPORT),
        ("There are no cups on the table.", "Are there cups on the table?", "yes", CONTRADICT),
        ("There are cups on the table.", "Are there cups on the table?", "yes", SUPPORT),
        ("The cup is not red; it is blue.", "Is the cup red?", "no", SUPPORT),
        ("The cup is red.", "Is the cup red?", "yes", SUPPORT),
        ("The table is round.", "Is the cup red?", "yes", UNKNOWN),
        ("It cannot be determined whether the cup is red.", "Is the cup red?", "no", UNKNOWN),
        ('Therefore, the answer to "Is the cup red?" is **no**.', "Is the cup red?", "No", SUPPORT),
        # choices
        ("The van is to the left of the car on the right.", VAN, "left", SUPPORT),
        ("The van is to the left of the car on the right.", VAN, "right", CONTRADICT),
        ("The cup is red, not blue.", "Is the cup red or blue?", "blue", CONTRADICT),
        ("The cup is red rather than blue.", "Is the cup red or blue?", "red", SUPPORT),
        ("It is red.\n\n**Conclusion**: I look at the picture.", "Is the cup red or blue?", "red", UNKNOWN),
        # nothing to compare
        ("", "", "red", UNKNOWN),
        (" \n ", "", "red", UNKNOWN),
        ("QUERY(color): red", "", "", UNKNOWN),
        ("QUERY(color):", "", ".", UNKNOWN),
    ],
)
def test_judge(think: str, question: str, answer: str, verdict: Verdict) -> None:
    assert judge(think, answer, question) is verdict


@pytest.mark.parametrize(
    ("think", "bare"),
    [
        ("red", True),
        ("The answer is red.", True),
        ("Hmm. The answer is red.", True),
        ("I look at the image and think step by step. The answer is red.", True),
        ("What color is the cup on the table?", True),
        ("The cup stands beside a white plate and has a handle. It is red.", False),
        ("QUERY(color): red", True),
        ("I look.\nQUERY(color): red", True),
        ("LOOK(): \nQUERY(color): red", True),  # a step without a result
        ("Lamp, rug, window. The answer is red.", True),  # fits every question
        (STEPS + "red", False),
    ],
)
def test_a_bare_chain_only_copies_the_answer(think: str, bare: bool) -> None:
    assert is_bare(think, "red", "What color is the cup on the table?") is bare


@pytest.mark.parametrize(
    ("think", "question", "answer"),
    [
        ("not red, not green, so it must be blue", "What color is the car?", "blue"),
        ("not 3, not 4, so it must be 5", "How many cups are there?", "5"),
        ("not left, not top, so it must be right", "Where is the cup?", "right"),
    ],
)
def test_to_rule_out_rivals_shows_no_look_at_the_picture(think: str, question: str, answer: str) -> None:
    """As a beginning that never changes, it would earn the bonus wherever the answer is another one."""
    assert is_bare(think, answer, question)


def test_a_sentence_on_how_to_answer_is_no_part_of_the_question() -> None:
    question = "Is it overcast?\nAnswer the question using a single word or phrase."
    assert judge("I look at the sky. It is overcast.", "yes", question) is SUPPORT


def test_the_conclusion_is_what_follows_the_last_heading() -> None:
    think = (
        "1. **SELECT(cup (123))**: The cup.\n\n### Conclusion:\nThe cup (123) is *red*. "
        'Therefore, the answer to "Is the cup red?" is **yes**.'
    )
    assert stated_conclusion(think, "Is the cup red?") == ["The cup is red.", "Therefore, the answer to   is yes."]
    assert stated_conclusion("One.\n\nTherefore, two. Three!") == ["Therefore, two.", "Three!"]
    assert stated_conclusion("One.\n\nTwo. Three!") is None
    assert stated_conclusion("The cup is red.\n\nConclusion:") is None


Row = tuple[str, str, str]  # question, answer, chain


@pytest.fixture(scope="module")
def sample() -> list[Row]:
    if not SAMPLE.is_file():
        pytest.skip("gqa-cot-sample is not beside the repository")
    rows = [json.loads(line) for line in SAMPLE.read_text(encoding="utf-8").splitlines()]
    return [
        (row["instruction"].removeprefix(PREFIX), row["answer"], "\n".join(step["text"] for step in row["cot"]))
        for row in rows
    ]


def test_chains_labelled_by_reading(sample: list[Row]) -> None:
    """Confusion over 240 chains whose labels (tests/data/README.md) were committed before this judge was written."""
    confusion: Counter[tuple[bool, Verdict]] = Counter()
    for label in map(json.loads, LABELS.read_text(encoding="utf-8").splitlines()):
        question, answer, chain = sample[label["line"] - 1]
        assert hashlib.sha256(chain.encode()).hexdigest()[:16] == label["chain_sha256"]
        confusion[label["concludes"], judge(chain, label["answer"] or answer, question)] += 1
    assert sum(confusion.values()) >= 200
    concluding, silent = (
        {verdict: n for (concludes, verdict), n in confusion.items() if concludes is expected}
        for expected in (True, False)
    )
    # The numbers of docs/metrics.md.
    assert (concluding[SUPPORT], sum(concluding.values())) == (223, 224), confusion
    assert (silent[UNKNOWN], sum(silent.values())) == (14, 16), confusion


def test_all_chains_support_their_answer_and_no_other(sample: list[Row]) -> None:
    """Support over all 498 chains; those without a conclusion count as failures. Controls take other answers."""
    by_type: dict[str, set[str]] = {}
    for question, answer, _ in sample:
        by_type.setdefault(infer_question_type(question, answer), set()).add(answer.lower())
    supported = supported_controls = controls = 0
    for question, answer, chain in sample:
        supported += judge(chain, answer, question) is SUPPORT
        for rival in sorted(by_type[infer_question_type(question, answer)] - {answer.lower()}):
            controls += 1
            supported_controls += judge(chain, rival, question) is SUPPORT
    assert supported / len(sample) >= 0.90  # 453 of 498 under rules 5
    assert supported_controls / controls <= 0.05


def test_shuffled_chains_support_little(sample: list[Row]) -> None:
    """Chains of other questions: the rate of support by chance."""
    shifted = [*sample[250:], *sample[:250]]
    open_questions = [
        (question, answer, chain)
        for (question, answer, _), (_, _, chain) in zip(sample, shifted, strict=True)
        if infer_question_type(question, answer) == "query"
    ]
    by_chance = sum(judge(chain, answer, question) is SUPPORT for question, answer, chain in open_questions)
    assert by_chance / len(open_questions) <= 0.10
