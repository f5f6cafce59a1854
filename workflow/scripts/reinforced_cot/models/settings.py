"""The section ``base_model``: the checkpoint that training starts from, and how every stage loads a checkpoint."""

from typing import Annotated, Literal

from pydantic import Field

from reinforced_cot.data.settings import PixelBudget
from reinforced_cot.section import Count, NotNegative, Positive, Section, Seed, Share, Switch, Text
from reinforced_cot.sources.settings import QuestionType

Revision = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Width = Annotated[int, Field(ge=8)]


class ModelSizes(Section):
    """Sizes of the tiny model, by the names of Qwen2.5-VL's own config."""

    hidden_size: Width = 96
    """Width of the language model."""

    num_hidden_layers: Count = 3
    """Layers of the language model."""

    num_attention_heads: Count = 4
    """Attention heads of the language model."""

    num_key_value_heads: Count = 2
    """Key and value heads of the language model."""

    intermediate_size: Width = 192
    """Width of the language model's MLP."""

    vision_hidden_size: Width = 64
    """Width of the vision tower."""

    vision_depth: Count = 2
    """Layers of the vision tower."""

    vision_num_heads: Count = 4
    """Attention heads of the vision tower."""

    vision_intermediate_size: Width = 128
    """Width of the vision tower's MLP."""

    max_position_embeddings: Annotated[int, Field(ge=64)] = 2048
    """Context length in tokens."""

    rope_theta: Positive = 10000.0
    """Base of the rotary position embedding."""

    initializer_range: Positive = 0.08
    """Standard deviation of the initial weights."""


class TextMix(Section):
    """Share of each kind of text in the tiny model's pretraining. A batch holds one kind, so that its rows have
    similar lengths.
    """

    caption: NotNegative = 0.4  # captions name every cell: from them the model learns fastest to look cells up
    """Descriptions of the scene."""

    short: NotNegative = 0.04
    """Answers alone."""

    steps: NotNegative = 0.26
    """Chains without their answer."""

    chain: NotNegative = 0.3
    """Chains with their answer in tags."""


class PretrainingSteps(Section):
    """Both phases of the tiny model's training. A step is an optimizer step; a batch size counts rows."""

    align_steps: Count = 200
    """Steps that align the vision tower with the token embeddings."""

    align_batch_size: Count = 64
    """Scenes per step."""

    align_learning_rate: Positive = 0.003
    """Peak learning rate."""

    # The step at which the language model has learned to look a place up in the image differs by hundreds between
    # seeds, and its loss does not tell it: most tokens of a chain need no look at the image. The learning rate falls
    # only after that step, so that the bases of all seeds are about equally good.
    lm_max_steps: Count = 2000
    """The largest number of steps that train the language model."""

    lm_eval_steps: Count = 25
    """Steps between two evaluations on held-out questions."""

    lm_target_accuracy: Share = 0.75
    """The learning rate begins to fall once the model answers this share of the held-out questions right, with the
    right chain.
    """

    lm_decay_steps: Count = 250
    """Steps at the end over which the learning rate falls."""

    lm_batch_size: Count = 32
    """Texts per step."""

    lm_learning_rate: Positive = 0.002
    """Peak learning rate."""

    weight_decay: NotNegative = 0.01
    """AdamW's weight decay."""

    mix: TextMix = TextMix()


class Pretraining(PretrainingSteps):
    """Training of the tiny model on digit scenes; null leaves its weights random."""

    scenes: Count = 3000
    """How many scenes it sees."""

    questions_per_scene: Count = 2
    """Questions asked about each scene."""

    question_types: Annotated[tuple[QuestionType, ...], Field(strict=False, min_length=1)] | None = None
    """Question types that these are drawn from evenly; a type that is named twice is drawn twice as often. null for all
    types.
    """

    held_out_scenes: Count = 100
    """Further scenes, of scans of the training split, that the model is not trained on: each has a question for a color
    and one for a digit. The training of the language model ends by the answers.
    """

    shortcut_share: Share = 0.55
    """How often a chain about two objects skips the way to the second one."""

    pair_share: Share = 0.0
    """Share of the texts about one scene that give way to texts about two scenes, as `data.digits.images: 2` asks."""


class TinyModel(Section):
    """The tiny Qwen2.5-VL that is built where `path` is null."""

    vocab_size: Annotated[int, Field(ge=264)] = 512
    """Upper bound of the tokenizer that is trained on the data's texts."""

    architecture: ModelSizes = ModelSizes()

    pretraining: Pretraining | None = Pretraining()


class Loading(Section):
    """How every stage loads a checkpoint."""

    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights in every stage."""

    attn_implementation: Literal["eager", "sdpa", "flash_attention_2", "flash_attention_3"] = "sdpa"
    """Attention kernel of transformers; rows that share a prompt or hold several chains use sdpa in place of
    flash_attention.
    """

    trust_remote_code: bool = False
    """Run code that comes with the checkpoint; only with a pinned `revision`."""

    vision_cache: Switch = "auto"
    """Keep each image's features in `vision_cache/` in the results folder, for all epochs, passes and policies, if the
    vision tower is not trained. `auto` keeps them where the model allows it (otherwise the log says why not), `on`
    fails where it does not, `off` computes them each time. They take about 4 KB per visual token at 3B and may be
    deleted at any time. The tower computes them without autocast. vLLM has its own cache.
    """

    vision_cache_gib: NotNegative = 50.0
    """The largest size of `vision_cache/`, in GiB of disk; `snakemake plan` says how much all images would take. Images
    beyond it are computed each time, and the log says so once.
    """


class BaseCheckpoint(Section):
    """What the base policy's checkpoint is made from."""

    path: Text | None = None
    """Hub id or folder of a Qwen2-VL, Qwen2.5-VL, Qwen3-VL or InternVL checkpoint; null builds the model under `tiny`.
    """

    revision: Revision | None = None
    """Commit of a hub id."""

    trust_remote_code: bool = False

    tiny: TinyModel | None = None


class BaseModelSettings(BaseCheckpoint, Loading):
    """The model that training starts from."""

    tiny: TinyModel = TinyModel()


class BaseSettings(Section):
    """What the stage `base_model` reads; ``tiny`` is None if ``path`` names a checkpoint."""

    seed: Seed
    image: PixelBudget
    base_model: BaseCheckpoint
