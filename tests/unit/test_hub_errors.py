"""What an error of the hub's libraries means; tests/workflow/test_from_the_hub.py meets the common ones for real."""

import httpx
import pytest
from huggingface_hub.errors import DisabledRepoError, HfHubHTTPError

from reinforced_cot.hub_errors import causes_of, hub_problem

URL = "https://huggingface.co/someone/model/resolve/main/config.json"


def refused(status: int, kind: type[HfHubHTTPError] = HfHubHTTPError) -> HfHubHTTPError:
    return kind(f"status {status}", response=httpx.Response(status, request=httpx.Request("GET", URL)))


def caused(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (refused(429), "the hub has had too many requests: wait some minutes"),
        (refused(403), "the hub forbids access to the model: set HF_TOKEN"),
        (refused(403, DisabledRepoError), "must be allowed to read https://huggingface.co/someone/model"),
        (refused(504), "the hub fails (status 504)"),
        (caused(FileNotFoundError("no data file"), refused(503)), "the hub fails (status 503)"),
        (OSError("Consistency check failed: file should be of size 9"), "the download broke off (Consistency check"),
        (httpx.ReadError("reset"), "the download broke off (reset)"),
        (caused(OSError("cannot load"), httpx.ReadTimeout("timed out")), "the hub cannot be reached at http"),
        (httpx.ConnectError("[Errno -2] Name or service\nnot known"), "([Errno -2] Name or service not known)"),
    ],
)
def test_what_went_wrong_is_said_on_one_line(error: Exception, says: str) -> None:
    problem = hub_problem(error, "model", "someone/model")
    assert problem is not None and says in problem and "\n" not in problem


@pytest.mark.parametrize(
    "error", [ValueError("x"), refused(404), KeyError("x"), OSError(28, "No space left on device")]
)
def test_other_errors_are_left_to_others(error: Exception) -> None:
    assert hub_problem(error, "data set", "someone/data") is None


def test_causes_that_name_each_other_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__context__ = second, first
    assert list(causes_of(first)) == [first, second]
