"""A real Slurm of two nodes on this machine: the profile submits the stages, and one of them runs over both nodes."""

import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from stage_runs import series
from workflow_copy import WorkflowCopy

CONFIG = Path("/etc/slurm/slurm.conf")  # the plugin strips SLURM_CONF from the environment
TWO_NODES = "tests/configs/accelerate/two_node_cpu.yaml"
# The jobs take seconds; the plugin would look at them for the first time after 40.
SUBMITTED = ["--workflow-profile", "profiles/slurm", "--default-resources", "mem_mb=1000", "runtime=30"]
SUBMITTED += ["--set-resources", "sft:mem_mb=2000", "--slurm-init-seconds-before-status-checks", "2"]
SUBMITTED += ["--seconds-between-status-checks", "2"]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    missing = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if not shutil.which(name)]
    if missing or os.geteuid() != 0:
        pytest.skip(f"needs root and slurm-wlm, munge (missing: {', '.join(missing) or 'root'})")
    if CONFIG.exists():
        pytest.skip(f"{CONFIG} belongs to another cluster")
    folder, host = tmp_path_factory.mktemp("slurm"), socket.gethostname()
    lines = ["ClusterName=test", f"SlurmctldHost={host}(127.0.0.1)", "SlurmUser=root", "AuthType=auth/munge"]
    lines += ["ProctrackType=proctrack/linuxproc", "TaskPlugin=task/none", "ReturnToService=2", "MinJobAge=600"]
    lines += ["SelectType=select/cons_tres", "SelectTypeParameters=CR_Core"]
    lines += [f"StateSaveLocation={folder}/state", f"SlurmdSpoolDir={folder}/spool.%n"]
    lines += [f"SlurmctldPidFile={folder}/slurmctld.pid", f"SlurmdPidFile={folder}/slurmd.%n.pid"]
    lines += [f"SlurmctldLogFile={folder}/slurmctld.log", f"SlurmdLogFile={folder}/slurmd.%n.log"]
    node = f"NodeHostname={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=4000"
    lines += [f"NodeName=n{number} {node} Port={17000 + number}" for number in (1, 2)]
    lines += ["PartitionName=debug Nodes=n1,n2 Default=YES"]
    CONFIG.parent.mkdir(exist_ok=True)
    daemons: list[subprocess.Popen[bytes]] = []
    try:
        CONFIG.write_text("\n".join(lines) + "\n")
        daemons.append(started_munge())
        time.sleep(1)
        for command in (["slurmctld", "-D"], ["slurmd", "-D", "-N", "n1"], ["slurmd", "-D", "-N", "n2"]):
            daemons.append(subprocess.Popen(command))
        until = time.monotonic() + 60
        while "idle" not in (
            states := subprocess.run(["sinfo", "-h", "-o", "%T"], capture_output=True, text=True).stdout
        ):
            assert time.monotonic() < until, states
            time.sleep(0.5)
        yield
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            daemon.wait(30)
        CONFIG.unlink()


def started_munge() -> "subprocess.Popen[bytes]":
    user = pwd.getpwnam("munge")
    run = Path("/run/munge")
    run.mkdir(exist_ok=True)
    os.chown(run, user.pw_uid, user.pw_gid)
    return subprocess.Popen(["munged", "--foreground"], user=user.pw_uid, group=user.pw_gid)


def test_a_stage_runs_over_two_nodes(
    slurm: None, finished_run: WorkflowCopy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm gives the job a task on each; the script starts itself there, and they learn what two processes learn."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    target = "results/smoke/sft/adapter.json"
    histories = []
    for topology in ("cpu", TWO_NODES):
        launch = {"sft": {"topology": topology, "processes": 2, "threads": 1}}
        sft = {"global_batch_size": 8, "training": {"per_device_train_batch_size": 4, "logging_steps": 1}}
        (root / "launch.yaml").write_text(yaml.safe_dump({"launch": launch, "policies": {"sft": sft}}))
        workflow = WorkflowCopy(root, ("--configfile", "tests/configs/smoke.yaml", "launch.yaml"))
        if topology == TWO_NODES:
            monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")  # the nodes' names are known to Slurm alone
            options = SUBMITTED
        else:
            options = ["--cores", "2"]
        workflow.snakemake(*options, "--forcerun", "sft", "--", target)
        histories.append(yaml.safe_load((root / "results/smoke/sft/metrics.json").read_text())["history"])
    assert series(histories[1], "loss") == pytest.approx(series(histories[0], "loss"), abs=1e-4)
    assert len(series(histories[1], "loss")) == 8


def test_a_job_that_is_to_be_preempted_saves_a_checkpoint(
    slurm: None, finished_run: WorkflowCopy, tmp_path: Path
) -> None:
    """The signal goes to all processes of the job's steps, as with `--signal=TERM@...`; the next attempt goes on."""
    root = tmp_path / "workflow"
    shutil.copytree(finished_run.root, root, symlinks=True)
    saved = {"save_strategy": "steps", "save_steps": 64}  # but for the signal, at the end alone
    sft = {"training": {"num_train_epochs": 8, "per_device_train_batch_size": 4, "logging_steps": 1, **saved}}
    (root / "longer.yaml").write_text(yaml.safe_dump({"policies": {"sft": sft}}))
    command = [sys.executable, "-m", "snakemake", *SUBMITTED]
    command += ["--configfile", "tests/configs/smoke.yaml", "longer.yaml", "--", "results/smoke/sft/adapter.json"]
    log = root / "results/smoke/logs/sft/sft.log"
    log.unlink()
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    with subprocess.Popen(command, cwd=root, env=environment) as snakemake:
        until = time.monotonic() + 600
        while not log.exists() or "'loss'" not in log.read_text():
            assert time.monotonic() < until and snakemake.poll() is None
            time.sleep(0.1)
        jobs = subprocess.run(["squeue", "-h", "-o", "%A"], capture_output=True, text=True, check=True).stdout.split()
        subprocess.run(["scancel", "--signal", "TERM", *jobs], check=True)
        assert snakemake.wait() == 0
    resumed = re.search(r"resuming from .*checkpoint-(\d+)$", log.read_text(), re.MULTILINE)
    assert resumed and int(resumed[1]) < 64
    history = yaml.safe_load((root / "results/smoke/sft/metrics.json").read_text())["history"]
    assert [entry["step"] for entry in history if "loss" in entry] == list(range(1, 65))
