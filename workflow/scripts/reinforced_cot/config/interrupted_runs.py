"""What a dry-run can say of trainings that were killed: whether the next call goes on from their checkpoints."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reinforced_cot.config.configuration import Config
from reinforced_cot.config.launch_checks import stage_topology
from reinforced_cot.config.stage_settings import rewards, train_settings
from reinforced_cot.errors import ConfigError
from reinforced_cot.launch.topologies import spread
from reinforced_cot.paths import SCRIPTS
from reinforced_cot.policies.grpo import GrpoPolicy
from reinforced_cot.resuming import deciding, foreseen_changes, saved_checkpoints
from reinforced_cot.run_fingerprint import fingerprint
from reinforced_cot.scoring.reward_loading import reward_hashes


def abandoned_checkpoints(config: Config) -> Iterator[str]:
    """One line per unfinished training whose checkpoints the present configuration or code cannot go on from.

    Changed input files are seen only when the stage starts.
    """
    for name in config.made:
        folder, policy = Path(config.results) / name, config.policies[name]
        checkpoints = folder / "checkpoints"
        is_finished = (folder / ("adapter.json" if policy.is_adapted else "model.json")).exists()
        if is_finished or not saved_checkpoints(checkpoints):
            continue
        changes = foreseen_changes(checkpoints, _expected(config, name))
        if changes is not None:
            yield (
                f"{checkpoints} has checkpoints of a training that was not finished, and the next training of {name} "
                "cannot go on from them: it starts from its beginning and moves them into a folder replaced-<n> "
                f"there. What differs: {'; '.join(changes) or 'they have no fingerprint'}"
            )


def _expected(config: Config, name: str) -> dict[str, Any]:
    """The fingerprint that the stage will have, without its inputs."""
    policy = config.policies[name]
    settings = train_settings(config, name).as_dict()
    if isinstance(policy, GrpoPolicy):
        settings["own_rewards"] = reward_hashes(rewards(config, policy) or {}, settings.get("judges", {}))
    try:
        topology = stage_topology(config.launch, policy.method)
    except ConfigError:
        topology = None
    settings = {**deciding(settings), "spread": spread(topology, topology.processes if topology else 1)}
    expected = fingerprint(SCRIPTS / f"{policy.method}.py", settings, [])
    del expected["inputs"]
    return expected
