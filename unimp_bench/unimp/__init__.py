"""UniMP: a language model over user sentences with gated cross-attention to each item's picture.

Data flow: ``tokens`` (vocabulary), ``pieces`` (items and answers as runs of tokens), ``sentences``, ``batches``,
``model`` (section 2 of the paper), ``fusions``, ``backbones``, ``training``, ``decoding``; ``unimp`` joins them.
Also: ``adaptation`` (trained parameters), ``pretraining``, ``checkpoint``, ``log``, and for published weights
``published`` and ``openflamingo``.
"""

from unimp_bench.contracts import ModelCard

CATALOGUE: tuple[ModelCard, ...] = (
    ModelCard(
        name="unimp",
        factory="unimp_bench.unimp.unimp:UniMP",
        tasks=("recommendation", "search", "preference", "explanation", "selection", "image_generation"),
        reads=("order", "text", "pictures", "query"),
        about="user sentence, picture resampler, gated cross-attention, focal task and context loss",
        source="Wei et al., ICLR 2024",
        new_users=True,
        new_items=False,
        goes_on=True,
        version=2,
        features=("pictures", "text", "ids"),
    ),
)
