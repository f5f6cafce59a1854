"""How far a stage is, as its log says: the progress bars that it writes there, and the last loss or reward.

Every stage writes bars, so that none needs code of its own for this, and what is shown never makes a stage stale.
"""

import re
from collections import deque
from dataclasses import dataclass
from pathlib import Path

WINDOW = 60  # seconds over which a rate is measured, so that one slow step does not double the time left
_LARGE = 1 << 20  # bytes; of a larger log that was never read, only its beginning and its end are
_PART = 1 << 17
_CLOCK = r"(?:\d+:)?\d+:\d\d"
_BAR = re.compile(
    rf"^(?:(?P<name>.*?): +)? *\d+%\|[^|]*\| *(?P<step>\d+)/(?P<total>\d+) "
    rf"\[(?P<elapsed>{_CLOCK})<(?:{_CLOCK}|\?), *(?P<rate>[^\],]*)"
)
_COUNTER = re.compile(
    rf"^(?:(?P<name>.*?): +)?(?P<step>\d+) ?(?P<unit>[A-Za-z]+) \[(?P<elapsed>{_CLOCK}), *(?P<rate>[^\],]*)"
)
_METRIC = re.compile(r"'(reward|loss)': '?(-?[\d.]+(?:e[+-]?\d+)?|-?inf|nan)\b")
_BREAKS = re.compile(r"[\r\n]|\x1b\[A")
# Bars of libraries that are no part of a stage's work, and take a moment.
_PASSING = ("Loading weights", "Writing model shards")


@dataclass(frozen=True)
class Progress:
    """How far a stage is.

    Attributes:
        unit: what is counted, such as ``step`` or ``batch``.
        total: None where the stage does not know it.
        rate: steps per second over the last `WINDOW` seconds; None before the first steps.
        metric: name and value of what was logged last: the reward of RL, otherwise the loss.
    """

    unit: str
    step: int
    total: int | None
    rate: float | None
    metric: tuple[str, float] | None

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or not self.rate:
            return None
        return max(self.total - self.step, 0) / self.rate


class StageLog:
    """A stage's log, which is read on from where it was read last."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._restart()

    def _restart(self) -> None:
        self._read, self._rest, self._inode = 0, "", 0
        self._total: int | None = None  # of the training's own bar, which has no name
        self._unit = ""
        self._frames: deque[tuple[int, int]] = deque()  # step and elapsed seconds
        self._last: tuple[str, int, int | None, float | None] | None = None
        self._metrics: dict[str, float] = {}

    def progress(self) -> Progress | None:
        """How far the stage is by now; None before its first bar, and where there is no log yet."""
        for line in _BREAKS.split(self._new_text()):
            self._take(line)
        metrics = [(name, self._metrics[name]) for name in ("reward", "loss") if name in self._metrics]
        if self._last is None:
            return None
        unit, step, total, printed = self._last
        return Progress(unit, step, total, self._rate() or printed, metrics[0] if metrics else None)

    def _new_text(self) -> str:
        try:
            with open(self._path, "rb") as file:
                size = file.seek(0, 2)
                inode = file.fileno() and self._path.stat().st_ino
                if size < self._read or inode != self._inode:  # the stage was started again
                    self._restart()
                    self._inode = inode
                parts = [b""]
                if not self._read and size > _LARGE:
                    file.seek(0)
                    parts += [file.read(_PART), b"\n"]
                    self._read = size - _PART
                file.seek(self._read)
                parts.append(file.read())
                self._read = file.tell()
        except OSError:
            return ""
        text = self._rest + b"".join(parts).decode("utf-8", "replace")
        # A line that is still written is read again with its rest; a bar is complete without an end of line.
        self._rest = _BREAKS.split(text)[-1]
        return text

    def _take(self, line: str) -> None:
        if "{'" in line:
            self._metrics |= {name: float(value) for name, value in _METRIC.findall(line)}
            return
        if not (found := _BAR.match(line) or _COUNTER.match(line)):
            return
        parts = found.groupdict()
        name, total = (parts["name"] or "").strip(), int(parts["total"]) if parts.get("total") else None
        if name in _PASSING or (name and self._total is not None):
            return
        if not name and total is not None:
            if self._total is None:
                self._total = total
                self._frames.clear()
            elif total != self._total:  # a bar of a validation
                return
        rate, unit = _printed_rate(parts["rate"])
        unit = (parts.get("unit") or unit or self._unit).strip()
        if unit in ("it", ""):
            unit = "row" if "/" in name else name or "step"  # a file's rows
        step, elapsed = int(parts["step"]), _seconds(parts["elapsed"])
        is_another = self._last is not None and (self._last[0], self._last[2]) != (unit, total)
        if is_another or (self._frames and (step, elapsed) < self._frames[-1]):
            self._frames.clear()
        self._frames.append((step, elapsed))
        while self._frames[-1][1] - self._frames[0][1] > WINDOW and len(self._frames) > 2:
            self._frames.popleft()
        self._last = (unit, step, total, rate)

    def _rate(self) -> float | None:
        """Steps per second over the window; None while it is too short for bars that count whole seconds."""
        if not self._frames:
            return None
        (first, since), (last, now) = self._frames[0], self._frames[-1]
        return (last - first) / (now - since) if now - since >= 5 and last > first else None


def _printed_rate(text: str) -> tuple[float | None, str]:
    """Rate per second and unit of a bar's ``1.5batch/s`` or ``3.1s/batch``; the rate of ``?batch/s`` is not known."""
    found = re.match(r" *([\d.]+|\?) *(.*?)/(.*)", text)
    if not found:
        return None, ""
    value, above, below = found.groups()
    number = None if value == "?" else float(value)
    if above.strip() == "s" and below.strip() != "s":
        return (1 / number if number else None), below.strip()
    return number, above.strip()


def _seconds(clock: str) -> int:
    """Seconds of ``2:05`` or ``1:02:05``."""
    total = 0
    for part in clock.split(":"):
        total = 60 * total + int(part)
    return total
