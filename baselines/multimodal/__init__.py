"""Recommenders that use pictures and texts of items in addition to interactions."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="vbpr",
        factory="baselines.multimodal.vbpr:VBPR",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="BPR-MF with visual preferences per user over frozen picture features (text features without pictures)",
        source="He and McAuley, AAAI 2016",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
        either=True,
    ),
    ModelCard(
        name="causalrec",
        factory="baselines.multimodal.causalrec:CausalRec",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="VBPR with separate direct and indirect visual effects, ranked by the total indirect effect; debiasing "
        "strength chosen on validation; equations as in Cornac, the authors' reference, without its two defects",
        source="Qiu et al., ACM Multimedia 2021; Cornac 3.0.1",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
        either=True,
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
    ModelCard(
        name="freedom",
        factory="baselines.multimodal.freedom:Freedom",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="LightGCN on user-item edges drawn anew in each epoch, popular ones less often, plus embeddings "
        "propagated on a frozen graph of similar items; features frozen (in the authors' code trained), items without "
        "features have no neighbours",
        source="Zhou and Shen, ACM Multimedia 2023",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="bm3",
        factory="baselines.multimodal.bm3:BM3",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="graph recommender trained without negatives: users, items and projected features predict copies of each "
        "other under dropout; features frozen (in the authors' code trained)",
        source="Zhou et al., WWW 2023",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="lattice",
        factory="baselines.multimodal.lattice:Lattice",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="LightGCN plus embeddings propagated on graphs of similar items that are learned with it, rebuilt once "
        "per epoch, with k edges per item where the authors' matrices are dense; features frozen",
        source="Zhang et al., ACM Multimedia 2021",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="mgcn",
        factory="baselines.multimodal.mgcn:MGCN",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="graph recommender whose features only gate id embeddings; views of the modalities are fused by the "
        "preferences that behaviour shows, with a contrastive loss between both; features frozen",
        source="Yu et al., ACM Multimedia 2023",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="smore",
        factory="baselines.multimodal.smore:SMORE",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="MGCN with features filtered and fused in the frequency domain, and a third view on the edges of both "
        "item graphs; preset baby has the authors' settings of that corpus; features frozen",
        source="Ong and Khong, WSDM 2025",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="mmgcn",
        factory="baselines.multimodal.mmgcn:MMGCN",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="a graph network for each modality, tied by id embeddings, which are trained, as the paper means to; "
        "preset released leaves them at their initial values, as the authors' code does",
        source="Wei et al., ACM Multimedia 2019",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="clcrec",
        factory="baselines.multimodal.clcrec:CLCRec",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="matrix factorisation with a content encoder that predicts id embeddings and replaces them for items "
        "without training interactions; negatives by the training part alone (the authors avoid test items too); "
        "presets movielens and amazon have the authors' settings",
        source="Wei et al., ACM Multimedia 2021",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="missrec",
        factory="baselines.multimodal.missrec:MissRec",
        tasks=("recommendation",),
        reads=("order", "pictures", "text"),
        about="a transformer over the items of a history that attends to the clusters of their pictures and texts; "
        "modalities fused late, by their scores; fitted from scratch, without the authors' pre-training on other "
        "domains; preset authors has their sizes",
        source="Wang et al., ACM Multimedia 2023",
        new_users=True,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="promptmm",
        factory="baselines.multimodal.promptmm:PromptMM",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="LightGCN distilled from a multi-modal graph recommender whose prompts, maps of the features' principal "
        "components, are tuned in both stages, as the paper means to (in the authors' code the student's graph is "
        "wrong and the prompts then have no gradient); features frozen",
        source="Wei et al., WWW 2024",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="alignrec",
        factory="baselines.multimodal.alignrec:AlignRec",
        tasks=("recommendation",),
        reads=("interactions", "pictures", "text"),
        about="MGCN with a single view of fused features, whose similarities it keeps, and users close to their items; "
        "the pre-training that aligns pictures with texts is in no released code: their features side by side take "
        "its place; features frozen",
        source="Liu et al., CIKM 2024",
        new_users=False,
        new_items=False,
        features=("pictures", "text"),
    ),
    ModelCard(
        name="kdsr",
        factory="baselines.multimodal.kdsr:KDSR",
        tasks=("recommendation",),
        reads=("order", "pictures", "text"),
        about="ids, a graph of the history, pictures and texts fused by a gate; trained tables of the modalities keep "
        "the correlations of the frozen features; loss weights as in the paper (in the authors' code crossed), "
        "the epoch chosen on validation (there on test)",
        source="Hu et al., ECIR 2024",
        new_users=True,
        new_items=False,
        features=("pictures", "text"),
    ),
)
