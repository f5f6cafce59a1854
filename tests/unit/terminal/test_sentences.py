"""What a person reads about a stage fits a line, says what failed, and cannot act on the terminal."""

from pathlib import Path

import pytest

from reinforced_cot.errors import DataError
from reinforced_cot.inert_text import visible, visible_errors
from reinforced_cot.terminal.accuracies import accuracy_table
from reinforced_cot.terminal.progress import Progress
from reinforced_cot.terminal.sentences import (
    duration,
    fitted,
    last_error,
    progress_in_words,
    title,
    was_interrupted,
)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.4, "0 s"), (99, "99 s"), (265, "4 min 25 s"), (3599.4, "59 min 59 s"), (11100, "3 h 05 min")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("progress", "words"),
    [
        (None, "under way"),
        (Progress("batch", 6, 20, 1.5, None), "batch 6/20, 1.5/s, 9 s left"),
        (Progress("questions", 6, None, 2.0, None), "questions 6, 2/s"),
        (Progress("step", 0, 75, None, None), "step 0/75"),
        (Progress("step", 3, 4, 0.01, ("loss", 0.0182)), "step 3/4, 100 s each, 1 min 40 s left, loss 0.0182"),
        (Progress("step", 3, 4, None, ("reward", float("nan"))), "step 3/4, reward nan"),
    ],
)
def test_progress(progress: Progress | None, words: str) -> None:
    assert progress_in_words(progress) == words


def test_a_stage_has_the_name_of_its_rule_and_of_what_it_works_on() -> None:
    assert title("grpo", {"policy": "grpo"}) == "grpo"
    assert title("grpo", {"policy": "gspo"}) == "grpo (gspo)"
    assert title("check_data", {}) == "check_data"
    assert title("sample", {"policy": "a\x1b[2Jb\u202e"}) == r"sample (a\x1b[2Jb\u202e)"


@pytest.mark.parametrize(
    ("log", "error"),
    [
        ("10%|█ | 1/10 [00:01<00:09]\rerror: data/a.jsonl, line 3: no answer\n", "data/a.jsonl, line 3: no answer"),
        ("error: old\nagain\nerror: new\n", "new"),
        ("error: refused:\n  a: 1\n", "refused: a: 1"),
        ("error: refused:\n  a: 1\n  b: 2\n", "refused: (and 2 more lines)"),
        (
            "Traceback (most recent call last):\n  File\ntorch.OutOfMemoryError: CUDA out of memory\n[rank0] bye\n",
            "torch.OutOfMemoryError: CUDA out of memory",
        ),
        ("error: \x1b[31m\u202egnp.a\n", r"\x1b[31m\u202egnp.a"),
        ("it went well\n", ""),
    ],
)
def test_the_last_error_of_a_log(tmp_path: Path, log: str, error: str) -> None:
    (tmp_path / "log").write_text(log, encoding="utf-8")
    assert last_error(tmp_path / "log") == error


def test_a_log_without_end_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("error: " + "x" * 100_000, encoding="utf-8")
    assert len(last_error(tmp_path / "log")) <= 600 and last_error(tmp_path / "missing") == ""


def test_ctrl_c_is_known_by_the_log(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("interrupted: the same command goes on from what is complete\n")
    assert was_interrupted(log)
    log.write_text("error: interrupted: no\n")
    assert not was_interrupted(log) and not was_interrupted(tmp_path / "missing")


def test_lines_are_cut_to_the_columns_that_they_take() -> None:
    assert fitted("abc", 3) == "abc" and fitted("abcd", 3) == "ab…"
    assert fitted("問問問", 6) == "問問問" and fitted("問問問", 5) == "問…"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("What color?", "What color?"),
        ("a\x1b]0;owned\x07b\r\x9b2J", r"a\x1b]0;owned\x07b\x0d\x9b2J"),
        ("photo\u202egpj.exe\u2066\u200f", r"photo\u202egpj.exe\u2066\u200f"),
        ("\U000e0041", r"\U000e0041"),
        ("\udc80", r"\udc80"),
        ("two\nlines, Überall 問 שלום 👩\u200d🚀", "two\nlines, Überall 問 שלום 👩\u200d🚀"),
    ],
)
def test_texts_cannot_act_on_the_terminal(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_errors_cannot_act_on_the_terminal() -> None:
    def main() -> None:
        raise DataError("\x1b[2J.jpg does not exist")

    with pytest.raises(DataError, match=r"^\\x1b\[2J\.jpg does not exist$"):
        visible_errors(main)()


def test_accuracies_stand_below_each_other() -> None:
    scores = {"accuracy": 0.5583, "accuracy_interval": [0.51835, 0.59757], "n": 600}
    assert accuracy_table({"sft": scores, "a_long_name": scores}).splitlines() == [
        "policy       accuracy   95 % interval  questions",
        "sft             0.558  [0.518, 0.598]        600",
        "a_long_name     0.558  [0.518, 0.598]        600",
    ]


def test_an_accuracy_on_one_image_has_no_interval() -> None:
    line = accuracy_table({"sft": {"accuracy": 0.5, "accuracy_interval": None, "n": 2}}).splitlines()[1]
    assert line.split() == ["sft", "0.500", "-", "2"]
