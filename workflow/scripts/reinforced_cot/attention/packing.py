"""Groups of rows packed into one row, so that the prompt of a group and its images are computed once.

In GRPO the G completions of a question are G rows that repeat the prompt. Here all groups are in one row. A group, or
the part of it that is in the micro-batch, is a stretch of that row: the prompt without its last token, then for each
completion that last token again (it predicts the completion's first token) and the completion. A completion sees the
prompt and itself, and its positions go on from the prompt's end. Each token is therefore computed from the same tokens
as in a row of its own.

Notation: P tokens of a prompt, C tokens of the longest completion, L tokens of the packed row: the sum over groups of
P - 1 + sum of (1 + completion).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from reinforced_cot.attention.tree_attention import Tree

IGNORED = -100  # the label of a token that is not scored
PROMPT_FIELDS = {"pixel_values", "image_grid_thw", "mm_token_type_ids"}  # of prompts with images, beside ids and mask
Images = tuple[torch.Tensor, torch.Tensor]  # of one row: grids, shape (images, 3); patches, shape (patches, features)


@dataclass(frozen=True)
class Rows:
    """Rows as TRL makes them: prompts padded on the left, completions on the right.

    Attributes:
        input_ids, attention_mask: shape ``(rows, tokens)``.
        completion: C; the last C tokens of each row are its completion.
        pixel_values: patches of all images, shape ``(patches, features)``.
        image_grid_thw: grids of all images, shape ``(images, 3)``.
        num_images: number of images of each row.
        mm_token_type_ids: 0 for text, 1 for an image; shape as input_ids.
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
        """Each row's prompt ids without padding, shape ``(P,)``."""
        prompts, masks = (part[:, : -self.completion] for part in (self.input_ids, self.attention_mask.bool()))
        return [ids[mask] for ids, mask in zip(prompts, masks, strict=True)]

    def types(self, row: int) -> torch.Tensor:
        """Types of the tokens of a row's prompt, without padding, shape ``(P,)``."""
        prompt = slice(None, -self.completion)
        return self.mm_token_type_ids[row, prompt][self.attention_mask[row, prompt].bool()]

    def completion_ids(self, row: int) -> torch.Tensor:
        """Ids of a row's completion without padding, at most C."""
        return self.input_ids[row, -self.completion :][self.attention_mask[row, -self.completion :].bool()]

    @cached_property
    def images(self) -> list[Images]:
        """The grids and the patches of each row's images."""
        return images_by_row(self.pixel_values, self.image_grid_thw, self.num_images)

    def groups(self, among: range) -> list[list[int]]:
        """Group the rows in ``among`` by prompt and images."""
        groups = find_groups([self.prompts[row] for row in among], [self.images[row] for row in among])
        return [[among[number] for number in group] for group in groups]


@dataclass(frozen=True)
class Packed:
    """Groups in one row, without padding.

    Attributes:
        input_ids, labels: shape ``(1, L)``.
        trees: one per group, with the prompt as prefix and one branch per completion.
        starts: for each row that was packed, the place of the token that predicts its completion's first token.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    trees: Sequence[Tree]
    starts: Mapping[int, int]


def images_by_row(pixel_values: torch.Tensor, image_grid_thw: torch.Tensor, num_images: Sequence[int]) -> list[Images]:
    """The grids and the patches of each row's images; the arguments are as in `Rows`."""
    grids = image_grid_thw.split(list(num_images))
    patches = pixel_values.split([int(grid.prod(dim=-1).sum()) for grid in grids])
    return list(zip(grids, patches, strict=True))


def find_groups(prompts: Sequence[torch.Tensor], images: Sequence[Images]) -> list[list[int]]:
    """Group rows of the same prompt and the same images. Groups are in the order of their first rows.

    Args:
        prompts: ids of each row, shape ``(P,)``.
        images: of each row. Grids count, too: a blank upright image has the same patches as a blank wide one.
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
    """Pack groups of rows into one row."""
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
        rope_index: the model's ``get_rope_index``, which knows the positions of an image's tokens.
    """
    prompts = [rows.prompts[group[0]] for group in groups]
    padded, _ = rope_index(
        _padded(prompts),
        mm_token_type_ids=_padded([rows.types(group[0]) for group in groups]),
        image_grid_thw=torch.cat([rows.images[group[0]][0] for group in groups]),
        attention_mask=_padded([torch.ones_like(prompt) for prompt in prompts]),
    )
    parts = []
    for number, (prompt, tree) in enumerate(zip(prompts, trees, strict=True)):
        of_prompt = padded[:, number, : len(prompt)]
        onward = of_prompt.max() + torch.arange(1, max(tree.branches), device=of_prompt.device)
        parts.append(of_prompt[:, :-1])
        for length in tree.branches:
            parts += [of_prompt[:, -1:], onward[: length - 1].expand(3, -1)]
    return torch.cat(parts, dim=1)[:, None]


def unpack(
    packed: Packed, values: torch.Tensor, rows: Sequence[int], lengths: Sequence[int], width: int
) -> torch.Tensor:
    """The values of each completion's tokens, shape ``(rows, C)``, zero after the completion's end.

    Args:
        values: shape ``(1, L - 1)``; the value at a place belongs to the token after it.
        rows: numbers of the rows, in the order of the result.
        lengths: of their completions.
        width: C.
    """
    places = torch.arange(width, device=values.device)
    starts = torch.tensor([packed.starts[row] for row in rows], device=values.device)[:, None]
    inside = places < torch.tensor(lengths, device=values.device)[:, None]
    return torch.where(inside, values[0, (starts + places).clamp(max=values.shape[1] - 1)], 0)


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
