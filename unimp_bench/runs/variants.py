"""The suites of UniMP's variants: one component, way of fusion, decoder or part of a recipe changed at a time."""

from unimp_bench.runs.suite import Suite, SuiteRow

ABLATION = Suite(
    name="ablation",
    title="Ablation",
    table="Table 3 of the UniMP paper",
    about="UniMP without one of its components: pictures, layer-wise fusion, context loss, token weights",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("w/o Vision", settings={"fusion": "none"}, system="w/o Vision"),
        SuiteRow("w/o Fine-grained", settings={"fusion": "sum"}, system="w/o Fine-grained"),
        SuiteRow("w/o Context & Rew", settings={"context": "", "gamma": "0"}, system="w/o Context & Rew"),
        SuiteRow("w/o Context", settings={"context": ""}, system="w/o Context"),
        SuiteRow("w/o Rew", settings={"gamma": "0"}, system="w/o Rew"),
    ),
    variants=True,
)
"""Table 3."""


FUSION = Suite(
    name="fusion",
    title="Fusion",
    table="Table 8 of the UniMP paper",
    about="type and position of the fusion of pictures and text",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP", system="UniMP"),
        SuiteRow("VIP5", model="vip5", system="VIP5"),
        SuiteRow("w/o Exclusive Attention", settings={"fusion": "inclusive"}, system="UniMP w/o Exclusive Attention"),
        SuiteRow("w/o Cross-attention", settings={"fusion": "sum"}, system="UniMP w/o Cross-attention"),
        SuiteRow("Early Fusion", settings={"fusion": "early"}, system="UniMP with Early Fusion"),
        SuiteRow("Late Fusion", settings={"fusion": "late"}, system="UniMP with Late Fusion"),
    ),
    variants=True,
    pictured=True,
)
"""Table 8."""


_GPU = "needs a GPU and the published weights; see docs/unimp.md"

BACKBONES = Suite(
    name="backbones",
    title="Backbones",
    table="Table 10 of the UniMP paper",
    about="decoders of several families and sizes, from scratch and pre-trained",
    tasks=("recommendation", "search", "preference", "explanation", "selection"),
    rows=(
        SuiteRow("GPT-NeoX, from scratch"),
        SuiteRow("UniMP-Small (MPT-1B)", preset="small", system="UniMP-Small", lacks=_GPU),
        SuiteRow("UniMP (RedPajama-3B)", preset="paper", system="UniMP", lacks=_GPU),
        SuiteRow("Llama, from scratch", settings={"backbone": "llama"}),
        SuiteRow("MPT, from scratch", settings={"backbone": "mpt"}),
        SuiteRow("GPT-NeoX, one layer", settings={"layers": "1"}),
        SuiteRow("GPT-NeoX, twice as wide and deep", settings={"width": "128", "layers": "4"}),
        SuiteRow("SmolLM2-135M, pre-trained, LoRA", preset="smol"),
    ),
    variants=True,
)
"""Table 10, and a pre-trained decoder that two cores carry."""


RECIPE = Suite(
    name="recipe",
    title="Recipe",
    table="beyond the papers",
    about="what a decoder needs to recommend like a sequential recommender: preset long without one of its parts",
    tasks=("recommendation",),
    rows=(
        SuiteRow("UniMP"),
        SuiteRow("w/o texts in the tokens", settings={"item_texts": ""}),
        SuiteRow("Answer after a prompt", settings={"read": "prompt"}),
        SuiteRow("Softmax over the vocabulary", settings={"negatives": "0"}),
        SuiteRow("w/o dropout within layers", settings={"layer_dropout": "0"}),
        SuiteRow("Half as wide", settings={"width": "64"}),
    ),
    variants=True,
    preset="long",
)
"""The other presets lack most of these parts."""


LOSSES = Suite(
    name="losses",
    title="Losses",
    table="beyond the papers",
    about="what a loss over drawn items costs a sequential recommender, beside that over the whole catalogue",
    tasks=("recommendation",),
    rows=(
        SuiteRow("SASRec", model="sasrec"),
        SuiteRow("SASRec, sampled softmax", model="sasrec", preset="sampled"),
        SuiteRow("2,048 drawn items", model="sasrec", preset="sampled", settings={"samples": "2048"}),
        SuiteRow("Drawn by popularity", model="sasrec", preset="sampled", settings={"sample_power": "0.5"}),
        SuiteRow("Without correction", model="sasrec", preset="sampled", settings={"log_q": "false"}),
    ),
    variants=True,
    subject="sasrec",
)
"""The second row draws 256 items uniformly and corrects for it; the others change one of that."""
