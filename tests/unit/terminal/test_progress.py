"""Progress is read from the bars that stages write to their logs, however far they were read before."""

from pathlib import Path

import pytest
from tqdm import tqdm

from reinforced_cot.terminal.progress import Progress, StageLog
from reinforced_cot.terminal.sentences import progress_in_words

START = (
    "00:00:01 reinforced_cot.models.loading: loaded\nLoading weights: 100%|██████████| 68/68 [00:00<00:00, 65it/s]\n"
)
RL = (
    START + "  0%|          | 0/70 [00:00<?, ?it/s]  1%|▏         | 1/70 [00:02<02:18,  2.00s/it]"
    "\n                       {'loss': '-0.00124', 'reward': '1.828', 'reward_std': '1.465'}\n"
    " 29%|██▊       | 20/70 [00:21<00:50,  1.00s/it]"
)


def bar(step: int, seconds: int, total: int = 70) -> str:
    return f"\r {step / total:.0%}|█▌   | {step}/{total} [{seconds // 60:02}:{seconds % 60:02}<00:01,  9.00it/s]"


def progress_of(path: Path, text: str) -> Progress | None:
    path.write_text(text, encoding="utf-8")
    return StageLog(path).progress()


def test_a_training_is_at_its_step_with_its_reward(tmp_path: Path) -> None:
    progress = progress_of(tmp_path / "log", RL)
    assert progress == Progress("step", 20, 70, 20 / 21, ("reward", 1.828))
    assert progress_in_words(progress) == "step 20/70, 1.05 s each, 52 s left, reward 1.83"


def test_nothing_is_known_before_the_first_bar(tmp_path: Path) -> None:
    assert StageLog(tmp_path / "missing").progress() is None
    assert progress_of(tmp_path / "log", START) is None


@pytest.mark.parametrize(
    "further",
    [
        "\nsample:  50%|█████     | 1/2 [00:01<00:01,  1.33s/batch]",  # RL's own questions
        "\n 50%|█████     | 5/10 [00:01<00:01,  5.00it/s]",  # a validation of TRL
        "\n{'eval_loss': '0.5', 'eval_reward': '0.25', 'eval_accuracy': '0.6275'}",
    ],
)
def test_a_validation_does_not_hide_the_training(tmp_path: Path, further: str) -> None:
    assert progress_of(tmp_path / "log", RL + further) == progress_of(tmp_path / "other", RL)


def test_a_log_is_read_on_where_it_ended_even_within_a_character(tmp_path: Path) -> None:
    log, content = tmp_path / "log", RL.encode()
    for end in (1, 5, 140, 190, 230, 300, len(content)):
        with open(log, "ab") as file:
            file.write(content[log.stat().st_size : end])
        if end == 1:
            stage = StageLog(log)
        found = stage.progress()
    assert found == Progress("step", 20, 70, 20 / 21, ("reward", 1.828))


def test_a_stage_that_is_started_again_is_read_from_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(RL, encoding="utf-8")
    stage = StageLog(log)
    assert stage.progress()
    log.write_text("answer:   5%|▌         | 1/20 [00:00<00:12,  1.52batch/s]", encoding="utf-8")
    assert stage.progress() == Progress("batch", 1, 20, 1.52, None)


def test_the_rate_is_that_of_the_last_minute(tmp_path: Path) -> None:
    """A resumed training jumps to its step at once, and must not seem fast for it."""
    text = bar(0, 0) + bar(40, 1) + "".join(bar(40 + n, 10 * n) for n in range(1, 25))
    progress = progress_of(tmp_path / "log", text)
    assert progress and progress.rate == pytest.approx(0.1) and progress.seconds_left == pytest.approx(60)


def test_of_a_large_log_the_beginning_and_the_end_are_read(tmp_path: Path) -> None:
    text = RL + "\nsome library's words" * 200_000 + bar(60, 90) + bar(61, 100)
    progress = progress_of(tmp_path / "log", text)
    assert progress and (progress.step, progress.total, progress.metric) == (61, 70, ("reward", 1.828))


@pytest.mark.parametrize(
    ("total", "unit", "words"),
    [
        (None, " questions", "questions 30"),
        (640, " questions", "questions 30/640"),
        (640, "it", "language model 30/640"),
    ],
)
def test_bars_of_tqdm_itself(tmp_path: Path, total: int | None, unit: str, words: str) -> None:
    """What the installed tqdm writes, and not what this test believes it does."""
    log = tmp_path / "log"
    with open(log, "w", encoding="utf-8") as file:
        for _ in tqdm(range(30), desc="language model", total=total, unit=unit, mininterval=0, miniters=1, file=file):
            pass
    assert progress_in_words(StageLog(log).progress()).startswith(words)
