"""Rows of several lengths joined into one row without padding, for models with M-RoPE positions.

TRL offers this for text only, and refuses images. Each sequence keeps its own positions and sees only itself.
"""

from typing import Any

from reinforced_cot.attention.tree_attention import Tree, seen_by_trees


def without_padding(rows: dict[str, Any], backbone: Any) -> dict[str, Any]:
    """Join the rows of a batch from TRL's collator into one.

    Args:
        rows: input_ids, labels, attention_mask, mm_token_type_ids, shape ``(rows, tokens)``; pixel_values and
            image_grid_thw of all images. The first token of a row must have no label.
        backbone: has ``get_rope_index``.

    Returns:
        input_ids and labels, shape ``(1, tokens without padding)``; their position_ids, shape ``(3, 1, tokens without
        padding)``; the arguments of `tree_attention`; and the images as they were.
    """
    kept = rows["attention_mask"].bool()
    positions, _ = backbone.get_rope_index(
        rows["input_ids"],
        mm_token_type_ids=rows["mm_token_type_ids"],
        image_grid_thw=rows["image_grid_thw"],
        attention_mask=rows["attention_mask"],
    )
    return {
        "input_ids": rows["input_ids"][kept][None],
        "labels": rows["labels"][kept][None],
        "position_ids": positions[:, kept][:, None],
        **seen_by_trees([Tree(0, kept.sum(dim=1).tolist())], backbone, kept.device),
        "pixel_values": rows["pixel_values"],
        "image_grid_thw": rows["image_grid_thw"],
    }
