"""No text that a policy can write crashes parser, matcher or judge, breaks their rules or costs more than linear time.

Arbitrary Unicode mixed with the fragments that the rules react to; then the cost of hostile repetitive text.
"""

import time
from collections.abc import Callable
from itertools import combinations
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from hypothesis.configuration import set_hypothesis_home_dir

from reinforced_cot.data.completions import TAGS, completion_text
from reinforced_cot.data.parsing import MAX_ANSWER_CHARACTERS, MAX_CHARACTERS, parse_completion
from reinforced_cot.data.tokens import is_word
from reinforced_cot.judging.consistency import is_bare, judge
from reinforced_cot.matching.answer_matching import core, is_correct, polarity
from reinforced_cot.matching.vocabulary import NO, SIDES, YES
from reinforced_cot.matching.words import phrase, word_set, words
from reinforced_cot.reading.conclusions import stated_conclusion, step_results
from reinforced_cot.reading.sentences import sentences
from reinforced_cot.reading.verdict import Verdict
from reinforced_cot.scoring.original import legacy_extract, legacy_reward
from reinforced_cot.scoring.rewards import consistency_reward, correctness_reward, format_reward

FUZZ = settings(  # the same examples in every run, and no files beside the code
    derandomize=True, deadline=None, database=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow]
)


# Its tables of characters and constants are written even without a database: as early as tests are collected.
HYPOTHESIS_HOME = TemporaryDirectory()
set_hypothesis_home_dir(HYPOTHESIS_HOME.name)

# ---------------------------------------------------------------------------------------------- texts

WORDS = sorted(
    word_set(
        """yes no not yeah nope or either maybe is are it there the a an of in on and but rather than instead however
        without neither isn't can't won't n't 's cannot unclear determined answer because left right top bottom front
        back behind red blue reds leaf leaves men 7 seven image question Is What"""
    )
)
MARKS = [*"?!.;:,/()[]\"“”’'*_#`-•<>|\n\t\r\u2028\u00a0\u200b？", "\n\n", "[0]", "(12, 3)", "[1", "“a", "- "]
HEADINGS = ["\nConclusion:", "**Final answer**: ", "# Answer\n", "Therefore, the answer to", "cannot be determined"]
STEPS = ["\nQUERY(color): red", "SELECT(a(b)): ", "EXIST: ? [0]", "a(b):"]
FOREIGN = ["é", "e\u0301", "\u0301\u0323", "\u0f73", "\uff9e", "ﷺ", "İ", "ß", "\u1100\u1161", "\ud800", "٣", "㏘", "左"]
FRAGMENTS = [*WORDS, *MARKS, *HEADINGS, *STEPS, *FOREIGN, *TAGS, "<THINK>", "<answer", "</"]
ANY = st.text(st.characters(exclude_categories=()), max_size=6)  # also surrogates


def texts(most: int) -> st.SearchStrategy[str]:
    """Text of up to ``most`` pieces, with and without blanks between them."""
    pieces = st.lists(st.sampled_from(FRAGMENTS) | st.sampled_from(WORDS) | ANY, max_size=most)
    return st.builds(str.join, st.sampled_from([" ", " ", ""]), pieces)


HACKS = (
    "is it not right, left?",
    "yes no",
    "left right",
    "yes, no, left, right",
    "no, not yes",
    "is are correct",
    "or",
)
PAIRS = [("yes", "no"), *(pair for group in SIDES for pair in combinations(group, 2))]
CHOICES = st.sampled_from(PAIRS).map(lambda pair: f"Is the man on the {pair[0]} or the {pair[1]} of the image?")
THINK, QUESTION, ANSWER = texts(20), texts(8) | CHOICES, texts(5)


def completions() -> st.SearchStrategy[str]:
    """Some are well-formed, some nearly so, some are loose tags."""
    return st.builds(completion_text, THINK, ANSWER) | st.builds("".join, st.lists(st.sampled_from(TAGS) | ANSWER))


def rewards(text: str, question: str, truth: str) -> list[float]:
    """Format, correctness and consistency of one completion."""
    conversation: Any = [[{"role": "assistant", "content": text}]]
    columns: dict[str, Any] = {"question": [question], "answer": [truth]}
    return [reward(conversation, **columns)[0] for reward in (format_reward, correctness_reward, consistency_reward)]


# ---------------------------------------------------------------------------------------------- rules for any text


@FUZZ
@given(THINK, QUESTION)
def test_any_text_is_read(text: str, question: str) -> None:
    assert all(token and token == token.casefold() for token in words(text))
    assert all(is_word(token) for token in phrase(text))
    assert set(core(text)) <= set(phrase(text))
    assert bool(core(text)) is bool(phrase(text))
    assert polarity(text) in (True, False, None)
    stated = stated_conclusion(text, question) or []
    assert all(sentence.strip() and not sentence.endswith("?") for sentence in stated)
    assert all(len(sentence.denied) == len(sentence.tokens) > 0 for sentence in sentences(text))
    assert all(result is None or (result == result.strip() and result in text) for result in step_results(text))


@FUZZ
@given(THINK, ANSWER, QUESTION, ANSWER)
def test_any_text_is_judged(think: str, answer: str, question: str, truth: str) -> None:
    assert isinstance(judge(think, answer, question), Verdict)
    assert is_bare(think, answer, question) in (True, False)
    assert is_correct(answer, truth, question) in (True, False)
    assert is_correct(think, truth, question) in (True, False)


@FUZZ
@given(completions(), QUESTION, ANSWER)
def test_any_completion_is_paid_within_bounds(text: str, question: str, truth: str) -> None:
    form, correct, consistent = rewards(text, question, truth)
    assert form in (0.0, 1.0)
    assert correct in (0.0, form)  # a malformed completion is never correct
    assert consistent in (-1.0, 0.0, correct)
    think, answer = legacy_extract(text)
    assert think in text
    assert answer in text
    assert -1.0 <= legacy_reward(text, truth) <= 3.3 + 1e-9


@FUZZ
@given(THINK, ANSWER)
def test_a_completion_is_read_back(think: str, answer: str) -> None:
    assume(not any(tag in part for tag in TAGS for part in (think, answer)))
    assume(think.strip() and answer.strip())
    parsed = parse_completion(completion_text(think, answer))
    assert (parsed.think, parsed.answer, parsed.problem) == (think.strip(), answer.strip(), None)


@FUZZ
@given(THINK.filter(str.strip), st.integers(0, 2))
def test_text_outside_the_tags_is_malformed(text: str, place: int) -> None:
    parts = ["", "<think>it is red</think>", "", "<answer>red</answer>", ""]
    parts[2 * place] = text
    parsed = parse_completion("".join(parts))
    assert not parsed.well_formed
    assert parsed.think is parsed.answer is None
    assert not is_correct(parsed.answer, "red")


@FUZZ
@given(ANSWER, QUESTION)
@example("no parking", "")
@example("10:30", "")
@example("black, white", "")
@example("Who?", "")
@example("red rather than blue", "Is it red or blue?")
@example("a no-go", "")
def test_every_truth_that_says_something_is_right(truth: str, question: str) -> None:
    """A truth says something if it has a word other than an article; without one, no answer is right."""
    assert is_correct(truth, truth, question) is bool(phrase(truth))


@FUZZ
@given(st.sampled_from(HACKS) | ANSWER | THINK, QUESTION, st.sampled_from(PAIRS))
def test_no_answer_is_right_for_two_opposites(answer: str, question: str, pair: tuple[str, str]) -> None:
    assert [is_correct(answer, truth, question) for truth in pair] != [True, True]


@pytest.mark.parametrize("hack", HACKS)
def test_a_constant_hack_is_right_for_no_more_than_one_side(hack: str) -> None:
    for one, other in PAIRS:
        for question in ("", f"Is it {one} or {other}?", "Is it there?", "Which side is it on?"):
            assert sum(is_correct(hack, truth, question) for truth in (one, other)) <= 1


@FUZZ
@given(THINK, QUESTION, st.sampled_from(PAIRS))
def test_no_chain_supports_two_opposites(think: str, question: str, pair: tuple[str, str]) -> None:
    assert [judge(think, answer, question) for answer in pair] != [Verdict.SUPPORT, Verdict.SUPPORT]


@FUZZ
@given(st.sampled_from(sorted(YES)), st.sampled_from(sorted(NO)), THINK, QUESTION)
def test_no_chain_supports_any_yes_and_any_no(yes: str, no: str, think: str, question: str) -> None:
    assert {judge(think, yes, question), judge(think, no, question)} != {Verdict.SUPPORT}


# ---------------------------------------------------------------------------------------------- cost

SHORT, LONG = 1_000, 8_000  # characters
MOST_GROWTH, FLOOR = 40, 0.003  # a factor on the seconds of the short text, which count as at least the floor

UNITS = [
    *(
        " ",
        "\n",
        "\r\n",
        "(",
        "[1",
        "(1 (1",
        "(1, ",
        '"',
        "“",
        "“a",
        "not ",
        "or ",
        "x or y ",
        ".",
        " :",
        ":",
        "a. ",
        "yes. ",
    ),
    *(
        "a? ",
        "<",
        "<think>",
        "</answer>",
        "<think></think>",
        "a(b):",
        "a(b): ",
        "n't",
        "can't ",
        "a's",
        "# ",
        "#\n",
        "**",
    ),
    *("_", "- ", "a", "ws", "a ", "the ", "yes ", "no, ", "there is ", "left right ", "rather than ", "cannot be a "),
    *("answer is yes ", "Conclusion:\n", "is it red or blue ", "x y z. ", "1,234,567", "12 ", "\u0301\u0323", "\u0f73"),
    *("\u0301\uff9e", "\ufdfa", "\u1100\u1161", "\u2028a", "\ud800", "İ"),
]
HOSTILE: dict[str, tuple[str, str, str]] = {repr(unit): ("", unit, "") for unit in UNITS} | {
    "blanks in a step": ("QUERY(a):", " ", "red:"),
    "blanks before a colon": ("QUERY(a)", " ", "red"),
    "an open bracket": ("QUERY(", "a", ""),
    "blanks after a heading": ("Conclusion", " ", "red"),
    "lines below a heading": ("Conclusion:\n", "a\n", ""),
    "sentences below a heading": ("Conclusion:\n", "is it red or blue\n", ""),
    "a long word after cannot": ("cannot be ", "a", ""),
    "a long quotation": ("“", "a", ""),
    "blanks within tags": ("<think>", " ", "</think><answer>red</answer>"),
    "a chain in its tags": ("<think>", "it is red. ", "</think><answer>red</answer>"),
    "an unclosed answer": ("<answer>", " ", ""),
    "different words": ("", "", ""),
}


def hostile(name: str, length: int) -> str:
    head, unit, tail = HOSTILE[name]
    if not unit:
        return " ".join(f"w{i}" for i in range(length // 4))[:length]
    return (head + unit * (length // len(unit)))[: length - len(tail)] + tail


def cut(text: str) -> str:
    """An answer or a question of the same text, as long as an answer may be."""
    return text[:MAX_ANSWER_CHARACTERS]


CHOICE = ("x or a x or b x or c " * 25)[:MAX_ANSWER_CHARACTERS]  # many rivals
DESCRIBED = ("Is the x or y " + "p q " * 120)[:MAX_ANSWER_CHARACTERS]  # a long description behind the choice

FUNCTIONS: dict[str, Callable[[str], object]] = {
    "parse_completion": lambda text: (parse_completion(text), parse_completion(completion_text(text, text))),
    "polarity and core": lambda text: (polarity(text), core(cut(text))),
    "is_correct": lambda text: is_correct(text, "red", "Is it red or blue?"),
    "is_correct by its own words": lambda text: is_correct(text, cut(text), cut(text)),
    "stated_conclusion": lambda text: stated_conclusion(text, cut(text)),
    "sentences": lambda text: [(s.denied, s.phrases, s.is_undecided) for s in sentences(text)],
    "step_results": step_results,
    "judge yes": lambda text: judge(text, "yes", "Is it red or blue?"),
    "judge by its own words": lambda text: judge(text, cut(text), cut(text)),
    "judge another open answer": lambda text: judge(text, cut(text)[:490] + " other", cut(text)),
    "judge a choice": lambda text: judge(text, "x", CHOICE[:40]),
    "judge a described choice": lambda text: judge(text, "x", DESCRIBED),
    "judge a long answer": lambda text: judge("It is red.", text, cut(text)),
    "is_bare": lambda text: is_bare(text, cut(text), "w0 w1 w2 " * 50),
    "legacy_reward": lambda text: (legacy_reward(text, "no"), legacy_reward(completion_text(text, text), "no")),
    "consistency_reward": lambda text: rewards(completion_text(text, "yes"), cut(text), "yes"),
}


def seconds(function: Callable[[str], object], text: str) -> float:
    started = time.process_time()
    function(text)
    return time.process_time() - started


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("function", FUNCTIONS)
def test_cost_grows_no_faster_than_the_text(function: str, name: str) -> None:
    short = long = float("inf")
    for _ in range(3):  # a busy machine makes a run longer, never shorter
        short = min(short, seconds(FUNCTIONS[function], hostile(name, SHORT)))
        long = min(long, seconds(FUNCTIONS[function], hostile(name, LONG)))
        if long <= MOST_GROWTH * max(short, FLOOR):
            return
    pytest.fail(f"{short:.4f} s for {SHORT} characters, {long:.4f} s for {LONG}")


@pytest.mark.parametrize("name", ["'a. '", "lines below a heading", "different words"])
@pytest.mark.parametrize(
    ("question", "answer"),
    [("Is it x?", "yes"), (CHOICE, "x"), (DESCRIBED, "x"), (DESCRIBED, hostile("different words", 500))],
    ids=["yes", "many rivals", "description", "open"],
)
def test_the_longest_chain_is_judged_at_once(question: str, answer: str, name: str) -> None:
    """A cost that grows with the product of the chain's and the question's length would pass the test above."""
    think = hostile(name, MAX_CHARACTERS)
    # takes 0.1 to 1.5 s; up to 12 s when all of a conclusion was read
    assert any(seconds(lambda text: judge(text, answer, question), think) < 5 for _ in range(3))
