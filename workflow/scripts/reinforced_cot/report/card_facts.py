"""What a model card says from the configuration."""

from pathlib import Path
from typing import Any

from reinforced_cot.config.configuration import Config
from reinforced_cot.policies.graph import ancestors
from reinforced_cot.policies.names import BASE


def card_facts(config: Config, policy: str) -> dict[str, Any]:
    """The fields of `model_card.CardFacts`, for the argument of its script."""
    sources = {split: config.data.sources(split) for split in ("train", "val", "test")}
    known = {"license": config.push.license, "language": list(config.push.languages)}
    return {
        "source": config.base_model.path or "",
        "known": {key: value for key, value in known.items() if value},
        "datasets": sorted({source.hub for source in sources["train"] if source.hub}),
        "sources": {
            split: [source.hub or (Path(source.file).name if source.file else str(source.source)) for source in named]
            for split, named in sources.items()
        },
        "line": [BASE, *reversed(ancestors(config.policies, policy)), policy],
    }
