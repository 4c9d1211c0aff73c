"""The taxonomy of the survey (Liu et al., KDD 2024, sections 2 to 4), and what of this benchmark is in each leaf.

A new system that reads texts or pictures gets a line in each leaf where it belongs.
"""

from __future__ import annotations

from dataclasses import dataclass

from unimp_bench.runs.suite import SUBJECT

_UNTRAINED = "pretraining_epochs=0"
_PREDICTIONS = ("recommendation", "search", "preference", "selection")


@dataclass(frozen=True)
class Member:
    """A system, or one row of a suite of variants.

    Attributes:
        model: registered name.
        why: it is in the leaf.
        named: whether the survey names it there; other members are our choice.
        suite, row: the suite and its row that alone count; empty where all results of the model do.
        without: a setting, as labels show it, whose rows leave out what puts the system here.
    """

    model: str
    why: str
    named: bool = False
    suite: str = ""
    row: str = ""
    without: str = ""


@dataclass(frozen=True)
class Leaf:
    """One method of the survey.

    Attributes:
        name: unique.
        section: of the survey.
        about: the definition.
        members: of this benchmark.
        absent: systems that the survey names here and that the benchmark does not implement.
        tasks: whose tables count for members that are systems.
        fused: only rows count that read pictures besides words or texts.
    """

    name: str
    section: str
    about: str
    members: tuple[Member, ...]
    absent: tuple[str, ...] = ()
    tasks: tuple[str, ...] = _PREDICTIONS
    fused: bool = False


def _variant(suite: str, row: str, why: str) -> Member:
    return Member(SUBJECT, why, suite=suite, row=row)


def _encoded(row: str, why: str, named: bool = False) -> Member:
    return Member("transrec", why, named, suite="text_adaptation", row=row)


TAXONOMY: tuple[Leaf, ...] = (
    Leaf(
        name="Reconstructive pre-training",
        section="2.1",
        about="masked or encoded inputs are predicted from the rest, or from a code",
        members=(
            _variant("pretraining", "Reconstructive", "masked words and patches of each item"),
            Member("bert4rec", "masked items of a history", named=True),
            Member("recformer", "masked words of histories and items", named=True, without=_UNTRAINED),
            Member("tiger", "items as codes of a quantizer of their texts", named=True),
            Member("rpg", "items as codes of a product quantizer of their texts"),
        ),
        absent=("PMGT",),
    ),
    Leaf(
        name="Contrastive pre-training",
        section="2.1",
        about="representations of what belongs together are made similar, others are not",
        members=(
            _variant("pretraining", "Contrastive", "picture and text of an item"),
            Member("mmssl", "modalities of a user or an item", named=True),
            Member("mmgcl", "views of the graph with masked modalities and edges"),
            Member("unisrec", "histories and next items by their texts", without=_UNTRAINED),
            Member("s3rec", "items, attributes, histories and segments, by mutual information", without=_UNTRAINED),
            Member("clcrec", "content and id embedding of an item"),
            Member("alignrec", "content and id embeddings of an item or a user"),
        ),
        absent=("MGCL", "MMCPR", "MSM4SR"),
    ),
    Leaf(
        name="Autoregressive pre-training",
        section="2.1",
        about="a sequence is predicted token by token from its beginning",
        members=(
            _variant("pretraining", "Autoregressive", "words of each item after its picture"),
            Member("sasrec", "items of a history", named=True),
            Member("p5", "words of prompts and answers", named=True),
            Member("vip5", "words of prompts and answers, with pictures", named=True),
            Member("tiger", "codes of the next item", named=True),
        ),
    ),
    Leaf(
        name="Transfer of one modality",
        section="3.1",
        about="features of a frozen encoder of texts or of pictures, in a recommender",
        members=(
            Member("vbpr", "pictures, or texts where there are none, added to the scores of id embeddings"),
            Member("causalrec", "the same, with their direct effect removed"),
            Member("dense", "texts, compared with the query"),
            Member("unisrec-inductive", "texts in the place of item embeddings"),
            _encoded("Frozen encoder", "texts in the place of item embeddings"),
            Member("rpg", "texts, as semantic tokens"),
            Member("tiger", "texts, as semantic tokens", named=True),
        ),
    ),
    Leaf(
        name="Early fusion",
        section="3.1",
        about="modalities are joined before the first layer of the recommender",
        members=(
            _variant("fusion", "Early Fusion", "pictures are tokens of the user sentence"),
            Member("freedom", "one frozen item graph of all modalities", named=True),
            Member("kdsr", "ids, pictures and texts of each item, by a gate", named=True),
            Member("vip5", "visual tokens after the words of each item"),
        ),
        absent=("PMGT",),
        fused=True,
    ),
    Leaf(
        name="Intermediate fusion",
        section="3.1",
        about="modalities are joined by attention, gates or learned graphs between the layers of the recommender",
        members=(
            Member("unimp", "gated cross-attention of words to the pictures of their item"),
            _variant("fusion", "w/o Exclusive Attention", "cross-attention to all pictures so far"),
            _variant("fusion", "w/o Cross-attention", "pictures added to their token"),
            _variant("adaptation", "Representation transfer (backbone frozen)", "trained fusion in a frozen backbone"),
            Member("lattice", "item graphs of the modalities, learned and weighted"),
            Member("mmssl", "attention between modalities"),
            Member("mgcn", "modalities weighted by the preferences that behaviour shows"),
            Member("smore", "modalities multiplied in the frequency domain"),
            Member("sancl", "attention between words and pictures"),
            Member("mrg", "a gate between the user-item state and the picture"),
        ),
        absent=("MM-Rec",),
        fused=True,
    ),
    Leaf(
        name="Late fusion",
        section="3.1",
        about="each modality has a representation or score of its own until the end",
        members=(
            _variant("fusion", "Late Fusion", "pictures are added after the last layer"),
            Member("mmgcn", "a graph network for each modality, summed"),
            Member("mmgcl", "linear combination of ids, pictures and texts"),
            Member("missrec", "scores of the modalities, weighted; fitted from scratch"),
        ),
        absent=("MGAT", "GRCN"),
        fused=True,
    ),
    Leaf(
        name="Alignment with behaviour",
        section="3.1",
        about="losses or graphs that tie content to the interactions",
        members=(
            Member("clcrec", "content to id embedding", named=True),
            Member("unisrec", "texts to histories", named=True),
            Member("mmgcn", "content propagated along interactions", named=True),
            Member("bm3", "projected content to users and items, without negatives"),
            Member("alignrec", "content to id embeddings, users to items, and content to the features themselves"),
        ),
    ),
    Leaf(
        name="Fine-tuning",
        section="3.2",
        about="a pre-trained model is trained further on the task",
        members=(
            _variant("adaptation", "Full fine-tuning", "all parameters"),
            _variant("adaptation", "Output layer", "the output layer alone"),
            _variant("learning_strategy", "Multi-task + Full", "all parameters, after all six tasks"),
            _variant("new_domain", "UniMP, all adapted", "all parameters, in another domain"),
            Member("recformer", "all parameters, then all but the item vectors", named=True, without=_UNTRAINED),
            _encoded("Full fine-tuning", "all weights of a text encoder, with the recommender"),
        ),
        absent=("MINER",),
    ),
    Leaf(
        name="Adapters",
        section="3.3",
        about="small trained modules in a pre-trained model",
        members=(
            _variant("adaptation", "Low-rank updates (LoRA)", "low-rank updates of the attention"),
            Member("unisrec", "a mixture of experts over frozen texts", named=True),
            Member("unisrec-inductive", "a mixture of experts over frozen texts, without item embeddings", named=True),
            Member("vip5", "adapters in each layer", named=True),
            _encoded("Adapters", "adapters in each layer of a text encoder", named=True),
            _encoded("Low-rank updates (LoRA)", "low-rank updates of the attention of a text encoder"),
        ),
        absent=("ONCE", "M3SRec", "EM3"),
    ),
    Leaf(
        name="Prompts",
        section="3.4",
        about="trained tokens, or prompts written by hand, in front of a model",
        members=(
            _variant("adaptation", "Prompt tuning", "trained tokens, with a frozen backbone"),
            Member("vip5", "visual tokens in prompts written by hand", named=True),
            Member("promptmm", "trained maps of the features, in a graph recommender and its distillation", named=True),
            Member("p5", "prompts written by hand"),
            Member("llm", "prompts written by hand, without training"),
        ),
        absent=("DeepMP", "RecPrompt", "ProLLM4Rec", "Prompt4NR", "PBNR"),
    ),
    Leaf(
        name="Generated texts",
        section="4.1",
        about="explanations; of headlines, keywords, marketing texts and dialogues the benchmark has no task",
        members=(
            Member("unimp", "a decoder that reads texts and pictures"),
            Member("p5", "a T5 with prompts"),
            Member("vip5", "a T5 with prompts and visual tokens"),
            Member("mrg", "an LSTM with ratings and pictures"),
            Member("peter", "a transformer with ratings, without pictures"),
            Member("llm", "a pre-trained language model, not trained further"),
        ),
        tasks=("explanation",),
    ),
    Leaf(
        name="Generated pictures",
        section="4.2",
        about="the picture of the next item, token by token; of layouts, posters and video the benchmark has no task",
        members=(Member("unimp", "picture tokens of a decoder, for a user and a query"),),
        absent=("LayoutDM", "PosterLayout", "AutoPoster", "TextPainter", "AnyText", "AtomoVideo"),
        tasks=("image_generation",),
    ),
)
"""The leaves, in the order of the survey."""
