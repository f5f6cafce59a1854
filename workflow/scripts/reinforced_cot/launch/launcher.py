"""Starting a stage on its topology: GPUs are claimed once, then accelerate starts one process per GPU."""

import argparse
import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Protocol

from reinforced_cot.errors import PipelineError
from reinforced_cot.launch.compiled_operators import prepare_operators
from reinforced_cot.launch.devices import claim_devices
from reinforced_cot.launch.topologies import Topology, read_topology
from reinforced_cot.processes import end_with_launcher, is_rank

# Seconds from SIGTERM, which accelerate's launcher passes on to its processes, until it kills them. Its own 30 are too
# few to end a step and save; after the failure of one process, the others may hang as long as this.
_TIME_TO_SAVE = 600


class Server(Protocol):
    """A server that runs beside a stage on GPUs of its own (`vllm_server.RolloutServer`).

    The launcher knows only this protocol, so that a change of the server reruns only the stages that start one.
    """

    @property
    def gpus(self) -> int:
        """How many GPUs it needs."""

    def start(self, devices: list[str]) -> None:
        """Start it on these GPUs; it ends with this process."""


def add_launch_arguments(parser: argparse.ArgumentParser) -> None:
    """``--topology`` and ``--processes``, for the stages that may use GPUs."""
    parser.add_argument(
        "--topology",
        help="a name in config/accelerate/ or a file of accelerate's; without it, one process on a GPU, or the CPU "
        "where there is none",
    )
    parser.add_argument("--processes", type=int, help="how many, in place of the number in the topology's file")


def topology_of(args: argparse.Namespace) -> Topology | None:
    """What the arguments of `add_launch_arguments` ask for.

    Raises:
        ConfigError: there is no such topology.
    """
    return read_topology(args.topology, args.processes) if args.topology else None


def claim(topology: Topology | None) -> None:
    """Let this process see the GPUs that the topology asks for on this machine, and no other.

    Raises:
        PipelineError: fewer are free.
    """
    claim_devices(topology.gpus if topology else None)


def claim_with_server(topology: Topology | None, server: Server) -> None:
    """As `claim`, with further GPUs for a server, which is started there.

    Raises:
        PipelineError: fewer are free; or there is no topology, which says how many the training has.
    """
    if topology is None:
        raise PipelineError("with a vLLM server the GPUs must be divided: give --topology (and --processes)")
    training_gpus = topology.gpus
    claim_devices(training_gpus + server.gpus if training_gpus else 0)
    devices = [device for device in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if device]
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(devices[:training_gpus])
    server.start(devices[training_gpus:])


def launch(topology: Topology | None, server: Server | None = None) -> None:
    """Claim the GPUs; where several processes are needed, become ``accelerate launch`` of the same command.

    Args:
        server: started first, on GPUs of its own.

    Raises:
        PipelineError: fewer GPUs are free than the topology needs; or it has several machines, and the
            environment does not number this one.
    """
    if is_rank():
        end_with_launcher()
        return
    if topology is not None and topology.machines > 1 and _in_slurm_batch():
        nodes = str(topology.machines)
        command = ["srun", "--nodes", nodes, "--ntasks", nodes, "--ntasks-per-node", "1", sys.executable, *sys.argv]
        os.execvp("srun", command)
    if server:
        claim_with_server(topology, server)
    else:
        claim(topology)
    if topology is not None and topology.is_launched:
        if topology.distributed_type == "DEEPSPEED":
            prepare_operators()
        sys.stdout.flush()
        os.environ["OMP_NUM_THREADS"] = str(threads_each(topology))
        os.environ["TORCH_ELASTIC_SHUTDOWN_TIMEOUT"] = str(_TIME_TO_SAVE)
        os.execv(sys.executable, [sys.executable, "-m", "accelerate.commands.launch", *launch_arguments(topology)])


def launch_arguments(topology: Topology) -> list[str]:
    """Arguments of ``accelerate launch``: the topology's file, the number of processes, this command."""
    arguments = ["--config_file", str(topology.file), "--num_processes", str(topology.processes)]
    if topology.machines > 1:
        arguments += ["--machine_rank", *_place(os.environ, topology)]
    else:
        arguments += ["--main_process_port", "0"]  # any free port: two jobs on one machine must not collide
    return [*arguments, *sys.argv]


def threads_each(topology: Topology) -> int:
    """CPU threads of each process: Snakemake says how many the job has."""
    return max(1, int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)) // topology.here)


def _in_slurm_batch() -> bool:
    """Whether this is the script of a Slurm job, before `srun` has started a task per node."""
    return "SLURM_JOB_ID" in os.environ and not {"SLURM_STEP_ID", "NODE_RANK"} & os.environ.keys()


def _place(environment: Mapping[str, str], topology: Topology) -> list[str]:
    """Arguments that give this machine's number, and the address and port of the first machine."""
    number = environment.get("NODE_RANK", environment.get("SLURM_PROCID"))
    if number is None:
        raise PipelineError(
            f"{topology.file} is for {topology.machines} machines: run this command on each, with NODE_RANK (0, 1, "
            "...), MASTER_ADDR and MASTER_PORT set, or submit it to Slurm"
        )
    address = environment.get("MASTER_ADDR")
    if address is None:
        nodes = subprocess.run(
            ["scontrol", "show", "hostnames", environment["SLURM_JOB_NODELIST"]],
            capture_output=True,
            text=True,
            check=True,
        )
        address = nodes.stdout.split()[0]
    # A port derived from the job's id keeps two jobs on one machine apart.
    port = environment.get("MASTER_PORT", str(20000 + int(environment.get("SLURM_JOB_ID", 0)) % 20000))
    return [number, "--main_process_ip", address, "--main_process_port", port]
