"""A thousand answers and chains that no careful person would write: no traceback, no pay for committing to nothing.

Each of 40 hostile texts is put to each of 25 questions, as answer, as chain and as a whole completion.
"""

import time
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from reinforced_cot.data.completions import completion_text
from reinforced_cot.matching.answer_matching import is_correct
from reinforced_cot.scoring.predictions import scored
from reinforced_cot.scoring.rewards import (
    brevity_reward,
    consistency_reward,
    correctness_reward,
    format_reward,
)

LETTERS = "What color is the car?\nA. red\nB. blue\nC. green\nD. white"
# Question, truth, and what else the question offers.
QUESTIONS: list[tuple[str, str, list[str]]] = [
    (LETTERS, "B", ["A", "B", "C", "D"]),
    (LETTERS, "blue", ["red", "blue", "green", "white"]),
    ("Which one? (a) a dog (b) a cat (c) a bird", "b", ["a", "b", "c"]),
    ("What is it? 1) apple 2) pear 3) plum", "pear", ["apple", "pear", "plum"]),
    ("Which is it: cat/dog/bird?", "dog", ["cat", "dog", "bird"]),
    ("Choose one of: red, blue, green.", "green", ["red", "blue", "green"]),
    ("What is on the table?\n- apple\n- banana\n- juice", "juice", ["apple", "banana", "juice"]),
    ("How is the weather? Options: sunny, rainy, cloudy", "rainy", ["sunny", "rainy", "cloudy"]),
    ("Is the man on the left or on the right?", "left", ["left", "right"]),
    ("Is the shirt red, blue or green?", "red", ["red", "blue", "green"]),
    ("Who is taller, the man or the woman?", "woman", ["man", "woman"]),
    ("Is the table made of wood or of metal?", "wood", ["wood", "metal"]),
    ("Is there a cat?", "yes", ["yes", "no"]),
    ("Are the two cups both white?", "no", ["yes", "no"]),
    ("Is it overcast?\nAnswer the question using a single word or phrase.", "no", ["yes", "no"]),
    ("What color is the van next to the red car?", "blue", ["red", "blue", "green"]),
    ("How many of the 4 cups are full?", "3", ["1", "2", "3", "4"]),
    ("How many birds are there?", "21", ["20", "21", "22"]),
    ("What time does the clock show?", "10:30", ["10:30", "10:03", "3:10"]),
    ("What is the price?", "$3.50", ["$3.50", "$5.30", "\u20ac3.50"]),
    ("Which grade is on the sheet?", "B+", ["B+", "B-", "A"]),
    ("What is the man holding?", "tennis racket", ["tennis racket", "bat", "ball"]),
    ("What is the name of the city?", "St. Louis", ["St. Louis", "Paris"]),
    ("What material is the bench made of?", "wood", ["wood", "metal", "stone"]),
    (
        "\u0907\u0938\u092e\u0947\u0902 \u0915\u094c\u0928 \u0938\u093e \u0930\u0902\u0917 \u0939\u0948?",
        "\u0928\u0940\u0932\u093e",
        ["\u0928\u0940\u0932\u093e", "\u0932\u093e\u0932"],
    ),
]
Hostile = Callable[[str, str, list[str]], str]
HOSTILE: dict[str, Hostile] = {
    "empty": lambda q, t, o: "",
    "blanks": lambda q, t, o: " \t\n\u00a0\u3000 ",
    "a megabyte of it": lambda q, t, o: f"{t} " * (1_000_000 // (len(t) + 1)),
    "a megabyte of one letter": lambda q, t, o: "a" * 1_000_000,
    "control characters": lambda q, t, o: "\x00\x01\x02\x7f\x9f",
    "only marks": lambda q, t, o: "?!.,;:()[]{}",
    "only articles": lambda q, t, o: "the an the",
    "only the question": lambda q, t, o: q,
    "the question without its mark": lambda q, t, o: q.replace("?", ""),
    "the question, twice": lambda q, t, o: f"{q} {q}",
    "the question's words, sorted": lambda q, t, o: " ".join(sorted(q.replace("?", "").split())),
    "the question and every option": lambda q, t, o: f"{q.replace('?', '')} {' '.join(o)}",
    **{
        f"every option joined by {name}": lambda q, t, o, joint=joint: joint.join(o)  # type: ignore[misc]
        for name, joint in {
            "a blank": " ",
            "a comma": ", ",
            "a bare comma": ",",
            "and": " and ",
            "or": " or ",
            "a slash": "/",
            "a line": "\n",
            "a full stop": ". ",
            "a semicolon": "; ",
            "a dash": " - ",
            "a bar": " | ",
            "an arrow": " \u2192 ",
            "bold": "** **",
            "nothing": "",
            "tags": "</b><b>",
        }.items()
    },
    "every option, reversed": lambda q, t, o: " ".join(reversed(o)),
    "every option in brackets": lambda q, t, o: " ".join(f"({option})" for option in o),
    "every option as JSON": lambda q, t, o: '{"answer": ["' + '", "'.join(o) + '"]}',
    "one of them is right": lambda q, t, o: f"either {' or '.join(o)}",
    "all options boxed": lambda q, t, o: " ".join(rf"\boxed{{{option}}}" for option in o),
    "the truth denied": lambda q, t, o: f"not {t}",
    "the truth asked": lambda q, t, o: f"{t}?",
    "the truth or not": lambda q, t, o: f"{t} or not {t}",
    "maybe the truth": lambda q, t, o: f"maybe {t}",
    "yes and no": lambda q, t, o: "yes no",
    "right-to-left marks": lambda q, t, o: "\u202e" + "\u200f".join([" ", *o, " "]) + "\u202c",
    "other symbols": lambda q, t, o: "\u2705 \u2192 \U0001f600 \u2665",
    "nested tags": lambda q, t, o: f"<answer><answer>{t}</answer></answer>",
    "a tag inside": lambda q, t, o: f"{t}</answer><answer>{' '.join(o)}",
}


@pytest.mark.parametrize(("name", "number"), list(product(HOSTILE, range(len(QUESTIONS)))))
def test_no_hostile_answer_is_paid_or_breaks_anything(name: str, number: int) -> None:
    question, truth, options = QUESTIONS[number]
    answer = HOSTILE[name](question, truth, options)
    started = time.process_time()
    assert not is_correct(answer, truth, question), answer[:200]
    for chain, said in ((answer, truth), ("I look at it.", answer), (answer, answer)):
        text = completion_text(chain, said)
        columns: dict[str, Any] = {"question": [question], "answer": [truth]}
        turn = [[{"role": "assistant", "content": text}]]
        for reward in (format_reward, correctness_reward, consistency_reward, brevity_reward):
            assert -1.0 <= reward(turn, **columns)[0] <= 1.0
        row = scored({"instruction": question, "gt_answer": truth, "prediction_raw": text})
        assert row["is_correct"] in (True, False)
    assert time.process_time() - started < 5.0  # an answer of a megabyte is refused by its length


def test_there_are_a_thousand_cases() -> None:
    assert len(HOSTILE) * len(QUESTIONS) >= 1000
