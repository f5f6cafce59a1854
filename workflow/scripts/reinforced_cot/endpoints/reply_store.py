"""Replies of an endpoint on disk, each appended as it comes and keyed by what was asked: nothing is paid for twice."""

import json
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import IO, Any, NamedTuple


class Reply(NamedTuple):
    """What an endpoint said to one request.

    Attributes:
        text: empty where it refused the request.
        problem: why it refused it; empty for a reply.
        input_tokens, output_tokens: as the server counts them; 0 where it does not say.
    """

    text: str
    problem: str = ""
    input_tokens: int = 0
    output_tokens: int = 0


def key_of(request: Mapping[str, Any]) -> str:
    """What identifies a request: the hash of all that is sent, images by their content."""
    return sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class ReplyStore:
    """The replies in a file, which only grows. A line that was cut off when the job was killed is asked for again.

    Args:
        file: where replies are added. Those in the other ``.jsonl`` files of its folder, which other processes write,
            are read as well; where two processes have asked the same, a process keeps to its own reply.

    Attributes:
        spent: every reply that was stored before, also where two are to one request.
    """

    def __init__(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        self._path = file
        stored = list(self._stored())
        self.spent = [reply for _, reply in stored]
        self._replies = dict(stored)
        self._file: IO[str] | None = None

    def __enter__(self) -> "ReplyStore":
        self._file = open(self._path, "a", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file:
            self._file.close()

    def get(self, key: str) -> Reply | None:
        """The reply to a request, if it was asked before."""
        return self._replies.get(key)

    def add(self, key: str, reply: Reply, about: Mapping[str, str] | None = None) -> None:
        """Append a reply; it is on its way to the disk when this returns.

        Args:
            about: what was asked, for people who read the file.
        """
        assert self._file is not None
        row = {"key": key, **({"about": dict(about)} if about else {}), **reply._asdict()}
        self._file.write(f"\n{json.dumps({**row, 'sha256': _digest(row)})}\n")  # the first break ends a line cut off
        self._file.flush()
        self._replies[key] = reply

    def _stored(self) -> Iterator[tuple[str, Reply]]:
        files = sorted(self._path.parent.glob("*.jsonl"), key=lambda file: (file == self._path, file))  # its own last
        for line in (line for file in files for line in file.read_bytes().splitlines()):
            try:
                row = json.loads(line)
                if row.pop("sha256") == _digest(row):
                    row.pop("about", None)
                    yield row.pop("key"), Reply(**row)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # blank, damaged or cut off


def _digest(row: Mapping[str, Any]) -> str:
    return sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
