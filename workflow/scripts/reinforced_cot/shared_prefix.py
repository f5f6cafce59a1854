"""Log-probabilities of a group's completions with their prompt, and its image, computed once.

In GRPO the G completions of a question are G rows that repeat the prompt. Here a group is one row: the prompt without
its last token, then for each completion that last token again (it predicts the first one) and the completion. A mask
lets each completion see the prompt and itself, positions go on from the prompt's end in each, and so every token is
computed from what it is computed from in a row of its own.

Notation: P tokens of a prompt, C of the longest completion, G completions, L = P - 1 + sum of (1 + completion).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

IGNORED = -100  # a label that is not scored


@dataclass(frozen=True)
class Rows:
    """Rows as TRL makes them: prompts padded on the left, completions on the right.

    Attributes:
        input_ids, attention_mask: shape ``(rows, tokens)``; the last ``completion`` tokens are completions.
        pixel_values: patches of all images, shape ``(patches, features)``, or None without images.
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

    def prompt(self, row: int) -> torch.Tensor:
        """Ids without padding, shape ``(P,)``."""
        prompt = slice(None, -self.completion)
        return self.input_ids[row, prompt][self.attention_mask[row, prompt].bool()]

    def types(self, row: int) -> torch.Tensor:
        """Types of `prompt`."""
        prompt = slice(None, -self.completion)
        return self.mm_token_type_ids[row, prompt][self.attention_mask[row, prompt].bool()]

    def completion_ids(self, row: int) -> torch.Tensor:
        """Ids without padding, at most C."""
        return self.input_ids[row, -self.completion :][self.attention_mask[row, -self.completion :].bool()]

    def images(self) -> list[tuple[slice, slice]]:
        """For each row, where its images stand in ``image_grid_thw`` and ``pixel_values``."""
        patches = [0, *self.image_grid_thw.prod(dim=-1).cumsum(0).tolist()]
        places, first = [], 0
        for count in self.num_images:
            places.append((slice(first, first + count), slice(patches[first], patches[first + count])))
            first += count
        return places


@dataclass(frozen=True)
class Packed:
    """Groups as one row each, padded on the right.

    Attributes:
        input_ids, labels: shape ``(groups, L)``.
        segments: 0 for the prompt, 1... for each completion, -1 for padding.
        starts: for each row that was packed, its group and the place of the token that predicts its completion.
    """

    input_ids: torch.Tensor
    labels: torch.Tensor
    segments: torch.Tensor
    starts: Mapping[int, tuple[int, int]]

    def mask(self) -> torch.Tensor:
        """Which token sees which, boolean, shape ``(groups, 1, L, L)``; padding sees itself: no row may be empty."""
        length = self.segments.shape[1]
        seen, seeing = self.segments[:, None, :], self.segments[:, :, None]
        causal = torch.ones(length, length, dtype=torch.bool, device=seen.device).tril()
        itself = torch.eye(length, dtype=torch.bool, device=seen.device)
        return (causal & ((seen == 0) | (seen == seeing)) & (seeing >= 0) | itself)[:, None]


def find_groups(rows: Rows) -> list[list[int]]:
    """Rows of the same prompt and the same images together, in the order of their first ones."""
    places, groups = rows.images(), []
    by_prompt: dict[bytes, list[list[int]]] = {}
    for row, (_, patches) in enumerate(places):
        alike = by_prompt.setdefault(rows.prompt(row).cpu().numpy().tobytes(), [])
        for group in alike:
            if torch.equal(rows.pixel_values[places[group[0]][1]], rows.pixel_values[patches]):
                group.append(row)
                break
        else:
            alike.append([row])
            groups.append(alike[-1])
    return groups


def pack(rows: Rows, groups: Sequence[Sequence[int]]) -> Packed:
    """One row a group."""
    ids, labels, segments = [], [], []
    starts: dict[int, tuple[int, int]] = {}
    for number, group in enumerate(groups):
        prompt = rows.prompt(group[0])
        parts, scored, owners = [prompt[:-1]], [torch.full_like(prompt[:-1], IGNORED)], [torch.zeros_like(prompt[:-1])]
        length = len(prompt) - 1
        for segment, row in enumerate(group, start=1):
            completion = rows.completion_ids(row)
            starts[row] = (number, length)
            parts += [prompt[-1:], completion]
            scored += [torch.full_like(prompt[-1:], IGNORED), completion]
            owners.append(torch.full_like(torch.cat(parts[-2:]), segment))
            length += 1 + len(completion)
        ids.append(torch.cat(parts))
        labels.append(torch.cat(scored))
        segments.append(torch.cat(owners))
    return Packed(_padded(ids, 0), _padded(labels, IGNORED), _padded(segments, -1), starts)


def positions(
    rows: Rows,
    groups: Sequence[Sequence[int]],
    packed: Packed,
    rope_index: Callable[..., tuple[torch.Tensor, torch.Tensor]],
) -> torch.Tensor:
    """M-RoPE's positions of the packed rows, shape ``(3, groups, L)``.

    Args:
        rope_index: the model's ``get_rope_index``, which knows how an image is counted.
    """
    prompts = [rows.prompt(group[0]) for group in groups]
    places = rows.images()
    found, _ = rope_index(
        _padded(prompts, 0),
        mm_token_type_ids=_padded([rows.types(group[0]) for group in groups], 0),
        image_grid_thw=torch.cat([rows.image_grid_thw[places[group[0]][0]] for group in groups]),
        attention_mask=_padded([torch.ones_like(prompt) for prompt in prompts], 0),
    )
    result = torch.zeros(3, *packed.input_ids.shape, dtype=found.dtype, device=found.device)
    for number, (group, prompt) in enumerate(zip(groups, prompts, strict=True)):
        own = found[:, number, : len(prompt)]
        result[:, number, : len(prompt) - 1] = own[:, :-1]
        for row in group:
            _, start = packed.starts[row]
            length = len(rows.completion_ids(row))
            result[:, number, start] = own[:, -1]
            result[:, number, start + 1 : start + 1 + length] = (
                own.max() + 1 + torch.arange(length, device=found.device)
            )
    return result


def unpack(
    packed: Packed, values: torch.Tensor, rows: Sequence[int], lengths: Sequence[int], width: int
) -> torch.Tensor:
    """What was computed for each completion token, shape ``(rows, C)``, zero behind its end.

    Args:
        values: shape ``(groups, L - 1)``; the one at a place belongs to the token after it.
    """
    result = values.new_zeros(len(rows), width)
    for place, (row, length) in enumerate(zip(rows, lengths, strict=True)):
        group, start = packed.starts[row]
        result[place, :length] = values[group, start : start + length]
    return result


def _padded(rows: Sequence[torch.Tensor], value: int) -> torch.Tensor:
    return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=value)
