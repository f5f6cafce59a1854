"""The policies of the report, as a configuration has them.

The rule `report` gives its script their facts, so that the script imports no configuration, and a change of that makes
no report stale.
"""

from pathlib import Path

import yaml

from reinforced_cot.chains.policy_keys import DATA
from reinforced_cot.config.composition import checked, compose
from reinforced_cot.config.configuration import Config
from reinforced_cot.errors import DataError
from reinforced_cot.policies.methods import METHODS
from reinforced_cot.policies.names import BASE
from reinforced_cot.report.policy_facts import PolicyFacts


def facts_of(config: Config) -> list[PolicyFacts]:
    """The policies of the report, in its order."""
    facts = []
    for name in config.report:
        if name == BASE:
            facts.append(PolicyFacts(name))
            continue
        policy = config.policies[name]
        facts.append(
            PolicyFacts(
                name,
                method=policy.method,
                origin=policy.from_policy,
                loss_title=METHODS[policy.method].loss_title,
                has_adapter=policy.is_adapted,
                chain_set=policy.chain_set if policy.chain_set and policy.chain_set != DATA else "",
                kept_rates=tuple(policy.rated_by.keep) if policy.rated_by else None,  # type: ignore[arg-type]
            )
        )
    return facts


def facts_of_run(results: Path) -> tuple[list[PolicyFacts], bool]:
    """The policies of a run, as its own `configuration.yaml` has them; and whether it was repeated at further seeds.

    Raises:
        DataError: the folder has no such file, or this version does not understand it.
    """
    path = results / "configuration.yaml"
    if not path.is_file():
        raise DataError(f"{path} is missing: {results} is no results folder of a run, which writes it first")
    try:
        config = checked(compose([path.absolute()]))
    except yaml.YAMLError as error:
        raise DataError(f"{path} is no YAML ({error})") from None
    return facts_of(config), bool(config.seeds)
