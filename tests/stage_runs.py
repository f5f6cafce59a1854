"""One training stage of a finished run, started by its own command into a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file
from workflow_copy import WorkflowCopy


class Stage:
    """The training of ``sft`` or ``grpo`` in the finished run.

    ``settings`` are what it will be told (what is learned and how stands in ``policy``), ``command`` is how it starts.
    """

    def __init__(self, workflow: WorkflowCopy, output: Path, name: str, **training: Any) -> None:
        origin = {"sft": "base", "grpo": "sft"}[name]
        self.root, self.output, self._name = workflow.root, output, name
        self._results = workflow.root / "results" / "smoke"
        self.settings = yaml.safe_load((self._results / name / "train.yaml").read_text())
        self.settings["policy"]["training"] |= training
        self.command = [
            *(sys.executable, f"workflow/scripts/{name}.py", "--settings", str(output.with_suffix(".yaml"))),
            *("--data", str(self._results / "data"), "--from", str(self._results / origin)),
            *("--output", str(output)),
        ]

    def start(self, topology: str = "cpu", processes: int = 1, **environment: str) -> "subprocess.Popen[bytes]":
        self.write_settings()
        command = [*self.command, "--topology", topology, "--processes", str(processes)]
        environment = {**os.environ, "OMP_NUM_THREADS": str(processes), **environment}  # one thread each
        with open(self.output.with_suffix(".log"), "ab") as log:  # two machines write to it
            return subprocess.Popen(command, cwd=self.root, env=environment, stdout=log, stderr=log)

    def write_settings(self) -> None:
        self.output.with_suffix(".yaml").write_text(yaml.safe_dump(self.settings))

    def run(self, topology: str = "cpu", processes: int = 1) -> list[dict[str, Any]]:
        """The history of the whole training."""
        code = self.start(topology, processes).wait()
        assert code == 0, self.log()[-5000:]
        return self.history()

    def history(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads((self.output / "metrics.json").read_text())["history"]
        return found

    def log(self) -> str:
        return self.output.with_suffix(".log").read_text()

    def adapter(self) -> dict[str, torch.Tensor]:
        return load_file(self.output / "adapter/adapter_model.safetensors")


def series(history: list[dict[str, Any]], name: str) -> list[float]:
    return [entry[name] for entry in history if name in entry]
