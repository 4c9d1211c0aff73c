"""The authors' implementation: OpenFlamingo with their training step and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.unimp_speed.setting import Done, Setting, Step, Strings
from unimp_bench.errors import UsageError
from unimp_bench.records import Examples, IntArray
from unimp_bench.torch_setup import make_torchvision_importable
from unimp_bench.unimp.backbones import FusedLayer, from_scratch
from unimp_bench.unimp.batches import Batch
from unimp_bench.unimp.config import UniMPConfig
from unimp_bench.unimp.fusions import InclusiveMedia
from unimp_bench.unimp.model import PictureFusion, UniMPModel
from unimp_bench.unimp.openflamingo import _CROSS_ATTENTION, _RESAMPLER, _renamed
from unimp_bench.unimp.sentences import Sentences, answered, last_starts, sentences

BATCH = 8
BEAMS = 10
_LAYERS = "gpt_neox.layers"
_UNLABELLED = -100


def flamingo(
    config: UniMPConfig, vocabulary_size: int, image_token: int, end_token: int, tower: nn.Module, width: int
) -> Any:
    """OpenFlamingo in the sizes of ``config`` over a decoder of transformers, trained except for the tower.

    Args:
        tower: the picture encoder; its second output is (pictures, patches, width).

    Raises:
        UsageError: the package is not installed.
    """
    heads, head_width = config.media_heads(config.width)
    theirs, mixin, helpers, utils = (_module(name) for name in ("flamingo", "flamingo_lm", "helpers", "utils"))
    decoder = from_scratch(config, vocabulary_size)
    utils.extend_instance(decoder, _mask_left_out(mixin.FlamingoLMMixin))
    decoder.set_decoder_layers_attr_name(_LAYERS)
    whole = theirs.Flamingo(SimpleNamespace(visual=tower), decoder, end_token, image_token, width, config.fusion_every)
    # The constructor fixes the sizes of both.
    decoder.gated_cross_attn_layers = nn.ModuleList(
        old and helpers.GatedCrossAttentionBlock(dim=config.width, dim_visual=width, heads=heads, dim_head=head_width)
        for old in decoder.gated_cross_attn_layers
    )
    decoder.init_flamingo_layers(False)
    heads, head_width = config.media_heads(width)
    whole.perceiver = helpers.PerceiverResampler(
        dim=width, depth=config.resampler_layers, num_latents=config.latents, heads=heads, dim_head=head_width
    )
    return whole


def _module(name: str) -> Any:
    make_torchvision_importable()
    try:
        return import_module(f"open_flamingo.src.{name}")
    except ImportError as error:
        raise UsageError(
            f"{error}: 'pip install --target DIR --no-deps open-flamingo==2.0.1 einops einops-exts', then set "
            "PYTHONPATH=DIR"
        ) from None


def _mask_left_out(mixin: Any) -> type:
    """OpenFlamingo's mixin for current transformers, whose ``generate`` omits masks without padding."""

    class Mixin(mixin):  # type: ignore[misc]
        def forward(self, input_ids: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> Any:
            return super().forward(input_ids, attention_mask, **kwargs)

    return Mixin


def with_weights_of(model: UniMPModel, config: UniMPConfig, setting: Setting) -> Any:
    """OpenFlamingo with the weights of a model of this project."""
    vocabulary = setting.vocabulary
    whole = flamingo(config, len(vocabulary), vocabulary.img, vocabulary.eoc, setting.tower, setting.features.width)
    assert model.resampler is not None
    carried = dict(_renamed(model.resampler, "perceiver.", _RESAMPLER))
    for number, layer in enumerate(model.decoder.layers):
        at = f"lang_encoder.{_LAYERS}.{number}"
        plain = layer
        if isinstance(layer, FusedLayer):
            carried |= _renamed(layer.fusion, f"{at}.gated_cross_attn_layer.", _CROSS_ATTENTION)
            plain = layer.layer
        carried |= _renamed(plain, f"{at}.decoder_layer.", {})
    carried |= {
        f"lang_encoder.{name}": parameter
        for name, parameter in model.decoder.model.named_parameters()
        if not name.startswith(_LAYERS)
    }
    parameters = {name for name, parameter in whole.named_parameters(remove_duplicate=False)}
    unknown = carried.keys() - parameters
    assert not unknown, f"OpenFlamingo has no {sorted(unknown)}"
    whole.load_state_dict(carried, strict=False)
    return whole.to(setting.device)


def trained_parameters(module: nn.Module) -> list[nn.Parameter]:
    """All parameters except those of the frozen tower."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]


def focal_loss_everywhere(logits: Tensor, labels: Tensor, weights: Tensor, gamma: float) -> Tensor:
    """The focal loss by logits over the whole vocabulary at every position.

    Args:
        logits: (B, N, vocabulary).
        labels, weights: (B, N), for the token at a position, which is predicted one position earlier.
    """
    following = functional.pad(labels[:, 1:], (0, 1), value=_UNLABELLED)
    losses = functional.cross_entropy(logits.flatten(0, 1).float(), following.flatten(), reduction="none")
    focal = (1 - (-losses).exp()) ** gamma * losses
    weighted: Tensor = (focal * functional.pad(weights[:, 1:], (0, 1)).flatten()).sum()
    return weighted / (following >= 0).sum()


def pixels_of(setting: Setting, pictured: Sequence[IntArray]) -> Tensor:
    """(B, max pictures, 1, 3, side, side) for OpenFlamingo, padded with black."""
    rows = [setting.pixels.of(items) for items in pictured]
    most = max(len(row) for row in rows)
    return torch.stack([functional.pad(row, (0, 0) * 3 + (0, most - len(row))) for row in rows])[:, :, None]


@dataclass
class Windows:
    """One sentence per example, as strings: the last items of the history, the prompt and the answer."""

    setting: Setting
    source: Sentences
    strings: Strings
    answers: list[str]

    @classmethod
    def of(cls, setting: Setting, examples: Examples) -> Windows:
        pieces, branches = answered([examples], setting.pieces, setting.vocabulary)
        starts = [last_starts(examples, setting.config.history)]
        source = sentences(pieces, branches, starts, setting.vocabulary, shared=False)
        assert examples.targets is not None
        return cls(
            setting,
            source,
            Strings(setting.vocabulary, pieces),
            [setting.vocabulary.ids.name(int(item)) for item in examples.targets],
        )

    def words(self, chosen: IntArray) -> list[list[str]]:
        """The chosen sentences with answers."""
        spelled = self.strings.of(self.source, chosen)
        return [[*parts, self.answers[number]] for parts, number in zip(spelled, chosen, strict=True)]


class AuthorsTraining:
    """The authors' training: one window of each of some random users, every picture encoded in every step."""

    def __init__(self, setting: Setting, whole: Any, examples: Examples) -> None:
        self._setting, self.whole = setting, whole.train()
        self.windows = Windows.of(setting, examples)
        full = examples.ends - examples.starts() >= setting.config.history
        self._long = np.flatnonzero(full)
        self._rng = np.random.default_rng(0)
        self._weight = setting.config.recommendation_weight
        config = setting.config
        named = list(whole.named_parameters())
        decayed = {p for name, p in named if "gated_cross_attn" in name and p.ndim == 2}
        moving = trained_parameters(whole)
        self._optimizer = torch.optim.AdamW(
            [
                {"params": [p for p in moving if p not in decayed], "weight_decay": 0.0},
                {"params": [p for p in moving if p in decayed], "weight_decay": config.weight_decay},
            ],
            lr=config.learning_rate,
        )

    def __call__(self) -> Step:
        chosen = self._rng.choice(self._long, BATCH, replace=False)
        words = self.windows.words(chosen)
        pictured = self._setting.pictured(self.windows.source, chosen)
        self._setting.pixels.ready(np.concatenate(pictured))
        return lambda: self._step(words, pictured)

    def _step(self, words: list[list[str]], pictured: Sequence[IntArray]) -> Done:
        with self._setting.autocast():
            loss, tokens = self.loss(words, pictured)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(trained_parameters(self.whole), self._setting.config.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Done(len(words), tokens)

    def loss(self, words: list[list[str]], pictured: Sequence[IntArray]) -> tuple[Tensor, int]:
        """The loss and the number of tokens of some sentences."""
        setting = self._setting
        read, mask = (each.to(setting.device) for each in self.windows.strings.read(words))
        logits = self.whole(pixels_of(setting, pictured), read, mask).logits
        labels = torch.full_like(read, _UNLABELLED)
        answers = functional.pad(read == setting.vocabulary.answer, (1, -1))
        labels[answers] = read[answers]
        last = mask.sum(dim=1, keepdim=True) - 1
        is_task = torch.arange(read.shape[1], device=read.device) == last
        weights = self._weight * torch.where(is_task, 1.0, setting.config.context_weight)
        return focal_loss_everywhere(logits, labels, weights, setting.config.gamma), int(mask.sum())


class AuthorsAnswers:
    """The authors' evaluation: ``generate`` for one user at a time, ten beams of one new token."""

    def __init__(self, setting: Setting, whole: Any, source: Sentences) -> None:
        self._setting, self._whole, self._source = setting, whole.eval(), source
        self._strings = Strings(setting.vocabulary, source.pieces)
        self._items = setting.vocabulary.item_tokens(setting.candidates)[:, 0].tolist()

    def ready(self, users: IntArray) -> None:
        """Preprocess the pictures of some users."""
        self._setting.pixels.ready(np.concatenate(self._setting.pictured(self._source, users)))

    def all_best(self, users: IntArray, items_alone: bool = False) -> list[list[int]]:
        """``best`` of some users, one at a time."""
        return [self.best(int(user), items_alone) for user in users]

    def best(self, user: int, items_alone: bool = False) -> list[int]:
        """The ten beams, best first, as token numbers.

        Args:
            items_alone: restrict the search to the catalogue; the authors search the whole vocabulary.
        """
        pixels, read, mask = self._read(user)
        with self._setting.autocast():
            found = self._whole.generate(
                pixels,
                read,
                mask,
                num_beams=BEAMS,
                num_return_sequences=BEAMS,
                max_new_tokens=1,
                pad_token_id=self._setting.vocabulary.pad,
                prefix_allowed_tokens_fn=(lambda batch, tokens: self._items) if items_alone else None,
            )
        return [int(token) for token in found[:, -1]]

    @torch.inference_mode()
    def likeliest(self, user: int) -> list[int]:
        """The ten tokens with the highest logits in one pass, best first."""
        pixels, read, mask = self._read(user)
        with self._setting.autocast():
            logits = self._whole(pixels, read, mask).logits[0, -1]
        return [int(token) for token in logits.topk(BEAMS).indices]

    def _read(self, user: int) -> tuple[Tensor, Tensor, Tensor]:
        chosen = np.array([user])
        read, mask = self._strings.read(self._strings.of(self._source, chosen))
        pixels = pixels_of(self._setting, self._setting.pictured(self._source, chosen))
        return pixels, read.to(self._setting.device), mask.to(self._setting.device)


class Immediate(PictureFusion):
    """OpenFlamingo's mask: tokens after an item, such as the prompt, attend to its picture, unlike in Eq. 3.

    With it both models have equal outputs for sentences of one branch.
    """

    def media(self, embeddings: Tensor, batch: Batch) -> InclusiveMedia:
        media = InclusiveMedia.of(embeddings, batch)
        place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)[:, None]
        begun = (media.columns[:, None] <= place) & (media.columns >= 0)[:, None]
        next_begun = torch.cat([begun[..., 1:], torch.zeros_like(begun[..., :1])], dim=-1)
        return replace(media, visible=begun & ~next_begun)
