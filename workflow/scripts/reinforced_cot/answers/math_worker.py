"""The process that compares mathematical answers: a pair of expressions per line of its input, a verdict per line."""

import json
import logging
import os
import resource
import signal
import sys

from reinforced_cot.processes import end_with_parent

# Of this process's own time, for each comparison: a verdict must not depend on what else the machine does.
SECONDS = 3.0
_MEMORY = 4 * 2**30  # bytes; powers of large numbers would fill any machine


def main() -> None:
    """Answer until the input ends."""
    end_with_parent(signal.SIGKILL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which may have more to ask
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes elsewhere
    from math_verify import parse, verify

    def expressions(text: str) -> list[object]:
        marked = text if "boxed" in text else f"${text}$"
        return list(parse(marked, parsing_timeout=None))

    signal.signal(signal.SIGVTALRM, _time_is_up)
    print("true", file=answers, flush=True)
    for line in sys.stdin:
        true, answer = json.loads(line)
        found: bool | None
        signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
        try:
            found = bool(verify(expressions(true), expressions(answer), timeout_seconds=None))
        except _TimeIsUp:
            found = None
        except Exception:  # whatever sympy makes of what a policy writes
            found = False
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        print(json.dumps(found), file=answers, flush=True)


class _TimeIsUp(BaseException):
    """No `Exception`, which the libraries would take for an answer."""


def _time_is_up(*_: object) -> None:
    raise _TimeIsUp


if __name__ == "__main__":
    main()
