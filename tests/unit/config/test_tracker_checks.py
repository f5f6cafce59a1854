"""The section `trackers`, and what a dry-run says of a tracker that could not follow a run."""

from pathlib import Path
from typing import Any

import pytest
from config_samples import changed, problems

from reinforced_cot.config import tracker_checks
from reinforced_cot.config.stage_settings import trackers_options, train_settings
from reinforced_cot.config.tracker_checks import missing_trackers
from reinforced_cot.config.validation import validated
from reinforced_cot.trackers.settings import Trackers


@pytest.fixture(autouse=True)
def without_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_MODE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def said(*trackers: Any) -> list[str]:
    return list(missing_trackers(Trackers(report_to=trackers)))


def test_one_tracker_needs_no_list() -> None:
    assert Trackers.model_validate({"report_to": "trackio"}).report_to == ("trackio",)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({"trackers.report_to": ["wandbb"]}, '`trackers.report_to[0]` is "wandbb"; did you mean "wandb"?'),
        (
            {"trackers.report_to": ["tensorboard"]},
            '`trackers.report_to[0]` is "tensorboard"; it must be one of "wandb", "trackio", "mlflow"',
        ),
        ({"trackers.projekt": "x"}, "unknown key `trackers.projekt`; did you mean `project`?"),
        ({"trackers.project": "a/b"}, '`trackers.project` is "a/b"; a project is named by at most 100 letters, digits'),
        ({"trackers.completions_every": 0}, "`trackers.completions_every` is 0; it must be at least 1"),
        (
            {"policies.grpo.training.report_to": "wandb"},
            "`policies.grpo.training.report_to` is set by the pipeline: `trackers`, at the top level, names what "
            "tracks runs besides TensorBoard; remove it",
        ),
        (
            {"policies.sft.training.run_name": "mine"},
            "`policies.sft.training.run_name` is set by the pipeline: `trackers`, at the top level, names what tracks",
        ),
    ],
)
def test_a_wrong_value_is_one_line(changes: dict[str, Any], line: str) -> None:
    (found,) = problems(changed(changes))
    assert found.lstrip("- ").startswith(line), found


def test_trackers_change_no_settings_of_a_stage() -> None:
    plain = validated(changed({}))
    tracked = validated(changed({"trackers": {"report_to": ["wandb", "mlflow"], "project": "mine"}}))
    for name in plain.policies:
        assert train_settings(plain, name) == train_settings(tracked, name)
    assert trackers_options(plain) == []
    (option,) = trackers_options(tracked)
    assert Trackers.model_validate_json(option.removeprefix("--trackers=")) == tracked.trackers


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert said("trackio", "mlflow") == []
    monkeypatch.setattr(tracker_checks, "find_spec", lambda name: None)
    assert said("trackio", "trackio") == [
        "`trackers.report_to` names trackio, which is not installed where Snakemake runs: pip install -r "
        "requirements-trackers.in -c requirements.lock"
    ]


def test_wandb_without_a_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (line,) = said("wandb")
    assert line == (
        "`trackers.report_to` names wandb, and there is no key for it: set WANDB_API_KEY, or call `wandb login` once; "
        "or set WANDB_MODE=offline, which writes each run into its policy's folder"
    )
    (tmp_path / "netrc").write_text("machine elsewhere.org login user password secret\n")
    assert said("wandb") == [line]
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password secret\n")
    assert said("wandb") == []
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert said("wandb") == [line]  # that key is for another server
    (tmp_path / "netrc").write_text("machine without a key")
    assert said("wandb") == [line]
    for name, value in {"WANDB_MODE": "offline", "WANDB_API_KEY": "0" * 40}.items():
        with monkeypatch.context() as patch:
            patch.setenv(name, value)
            assert said("wandb") == []
