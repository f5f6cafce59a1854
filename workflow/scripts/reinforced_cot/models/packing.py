"""Log-probabilities of a group's completions with their prompt, and its image, computed once.

In GRPO the G completions of a question are G rows that repeat the prompt. Here a group, or what a micro-batch holds of
it, is one stretch of a row of all groups: the prompt without its last token, then for each completion that last token
again (it predicts the first one) and the completion. Each completion sees the prompt and itself, positions go on from
the prompt's end in each, and so every token is computed from what it is computed from in a row of its own.

Notation: P tokens of a prompt, C of the longest completion, L the sum over groups of P - 1 + sum of (1 + completion).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from reinforced_cot.models.tree_attention import Tree

IGNORED = -100  # a label that is not scored
PROMPT_FIELDS = {"pixel_values", "image_grid_thw", "mm_token_type_ids"}  # what a prompt with images has beside its ids
Images = tuple[torch.Tensor, torch.Tensor]  # of a row: grids, shape (images, 3), and patches, shape (patches, features)


@dataclass(frozen=True)
class Rows:
    """Rows as TRL makes them: prompts padded on the left, completions on the right.

    Attributes:
        input_ids, attention_mask: shape ``(rows, tokens)``; the last ``completion`` tokens are completions.
        pixel_values: patches of all images, shape ``(patches, features)``.
        image_grid_thw: of each image, shape ``(images, 3)``; num_images: of each row.
        mm_token_type_ids: 0 text, 1 image; as input_ids.
    """

    input_ids: torch.Tensor
    attention_mask: torch.Tensor
    completion: int
    pixel_values: torch.Tensor
    image_grid_thw: torch.Tensor
    num_images: Sequence[int]
    mm_token_type_ids: torch.Tensor

    @cached_property
    def prompts(self) -> list[torch.Tensor]:
        """Of each row, ids without padding, shape ``(P,)``."""
        prompts, there = (part[:, : -self.completion] for part in (self.input_ids, self.attention_mask.bool()))
        return [ids[real] for ids, real in zip(prompts, there, strict=True)]

    def types(self, row: int) -> torch.Tensor:
        """Types of a row's prompt."""
        prompt = slice(None, -self.completion)
        return self.mm_token_type_ids[row, prompt][self.attention_mask[row, prompt].bool()]

    def completion_ids(self, row: int) -> torch.Tensor:
        """Ids without padding, at most C."""
        return self.input_ids[row, -self.completion :][self.attention_mask[row, -self.completion :].bool()]

    @cached_property
    def images(self) -> list[Images]:
        """The grids and the patches of each row's images."""
        return images_by_row(self.pixel_values, self.image_grid_thw, self.num_images)

    def groups(self, among: range) -> list[list[int]]:
        """Rows of the same prompt and images ``among`` some."""
        found = find_groups([self.prompts[row] for row in among], [self.images[row] for row in among])
        return [[among[place] for place in group] for group in found]


@dataclass(frozen=True)
class Packed:
    """Groups in one row, without padding.

    Attributes:
        input_ids, labels: shape ``(1, L)``.
        trees: of each group, the prompt as prefix and a branch for each completion.
        starts: for each row that was packed, the place of the token that predicts its completion.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    trees: Sequence[Tree]
    starts: Mapping[int, int]


def images_by_row(pixel_values: torch.Tensor, image_grid_thw: torch.Tensor, num_images: Sequence[int]) -> list[Images]:
    """The grids and the patches of each row's images; arguments as `Rows` has them."""
    grids = image_grid_thw.split(list(num_images))
    patches = pixel_values.split([int(grid.prod(dim=-1).sum()) for grid in grids])
    return list(zip(grids, patches, strict=True))


def find_groups(prompts: Sequence[torch.Tensor], images: Sequence[Images]) -> list[list[int]]:
    """Rows of the same prompt and the same images together, in the order of their first ones.

    Args:
        prompts: ids of each row, shape ``(P,)``.
        images: of each row; a blank one upright has the patches of a blank one lying down, and another grid.
    """
    groups: list[list[int]] = []
    by_prompt: dict[bytes, list[list[int]]] = {}
    for row, (prompt, shown) in enumerate(zip(prompts, images, strict=True)):
        alike = by_prompt.setdefault(prompt.cpu().numpy().tobytes(), [])
        for group in alike:
            if all(map(torch.equal, images[group[0]], shown)):
                group.append(row)
                break
        else:
            alike.append([row])
            groups.append(alike[-1])
    return groups


def pack(rows: Rows, groups: Sequence[Sequence[int]]) -> Packed:
    """All groups in one row."""
    ids: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    trees, starts, length = [], {}, 0
    for group in groups:
        prompt = rows.prompts[group[0]]
        ids.append(prompt[:-1])
        labels.append(torch.full_like(prompt[:-1], IGNORED))
        length += len(prompt) - 1
        branches = []
        for row in group:
            completion = rows.completion_ids(row)
            ids += [prompt[-1:], completion]
            labels += [torch.full_like(prompt[-1:], IGNORED), completion]
            starts[row] = length
            branches.append(1 + len(completion))
            length += branches[-1]
        trees.append(Tree(len(prompt) - 1, branches))
    return Packed(torch.cat(ids)[None], torch.cat(labels)[None], trees, starts)


def positions(
    rows: Rows, groups: Sequence[Sequence[int]], trees: Sequence[Tree], rope_index: Callable[..., Any]
) -> torch.Tensor:
    """M-RoPE's positions of the packed row, shape ``(3, 1, L)``.

    Args:
        rope_index: the model's ``get_rope_index``, which knows how an image is counted.
    """
    prompts = [rows.prompts[group[0]] for group in groups]
    found, _ = rope_index(
        _padded(prompts),
        mm_token_type_ids=_padded([rows.types(group[0]) for group in groups]),
        image_grid_thw=torch.cat([rows.images[group[0]][0] for group in groups]),
        attention_mask=_padded([torch.ones_like(prompt) for prompt in prompts]),
    )
    parts = []
    for number, (prompt, tree) in enumerate(zip(prompts, trees, strict=True)):
        own = found[:, number, : len(prompt)]
        onward = own.max() + torch.arange(1, max(tree.branches), device=own.device)
        parts.append(own[:, :-1])
        for length in tree.branches:
            parts += [own[:, -1:], onward[: length - 1].expand(3, -1)]
    return torch.cat(parts, dim=1)[:, None]


def unpack(
    packed: Packed, values: torch.Tensor, rows: Sequence[int], lengths: Sequence[int], width: int
) -> torch.Tensor:
    """What was computed for each completion token, shape ``(rows, C)``, zero behind its end.

    Args:
        values: shape ``(1, L - 1)``; the one at a place belongs to the token after it.
    """
    places = torch.arange(width, device=values.device)
    starts = torch.tensor([packed.starts[row] for row in rows], device=values.device)[:, None]
    there = places < torch.tensor(lengths, device=values.device)[:, None]
    return torch.where(there, values[0, (starts + places).clamp(max=values.shape[1] - 1)], 0)


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
