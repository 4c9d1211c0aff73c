"""Recommenders that use pictures and texts of items in addition to interactions."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="vbpr",
        factory="baselines.multimodal.vbpr:VBPR",
        tasks=("recommendation",),
        reads=("interactions", "pictures"),
        about="BPR-MF with visual preferences per user over frozen picture features (text features without pictures)",
        source="He and McAuley, AAAI 2016",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="causalrec",
        factory="baselines.multimodal.causalrec:CausalRec",
        tasks=("recommendation",),
        reads=("interactions", "pictures"),
        about="VBPR with separate direct and indirect visual effects, ranked by the total indirect effect; debiasing "
        "strength chosen on validation; equations as in Cornac, the authors' reference, without its two defects",
        source="Qiu et al., ACM Multimedia 2021; Cornac 3.0.1",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="mmgcl",
        factory="baselines.multimodal.mmgcl:MMGCL",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="LightGCN over ids, pictures and text, combined linearly, with contrastive losses between views as in "
        "the paper (in the authors' code masked view and challenging negative enter no loss); edge dropout redrawn "
        "once per epoch",
        source="Yi et al., SIGIR 2022",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="mmssl",
        factory="baselines.multimodal.mmssl:MMSSL",
        tasks=("recommendation", "selection"),
        reads=("interactions", "pictures", "text"),
        about="graph recommender with user-item relations learned from each modality against a critic, as described in "
        "the paper (in the authors' code that graph is empty); rebuilt once per epoch; critic on 1,024 items, with "
        "LayerNorm",
        source="Wei et al., WWW 2023",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
)
