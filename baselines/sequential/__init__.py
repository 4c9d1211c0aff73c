"""Sequential recommenders: use the order of a user's history."""

from unimp_bench.contracts import ModelCard

CARDS: tuple[ModelCard, ...] = (
    ModelCard(
        name="hgn",
        factory="baselines.sequential.hgn:HGN",
        tasks=("recommendation",),
        reads=("interactions", "order"),
        about="feature and instance gates over the last five items, a vector per user, trained by BPR; the instance "
        "gate is trained (in the authors' program it keeps its initial values), padding is masked",
        source="Ma, Kang and Liu, KDD 2019",
        new_users=False,
        new_items=False,
    ),
    ModelCard(
        name="gru4rec",
        factory="baselines.sequential.gru4rec:GRU4Rec",
        tasks=("recommendation",),
        reads=("order",),
        about="a GRU with full backpropagation through time and cross-entropy over the catalogue (the papers train "
        "session-parallel, without gradients through time); preset bpr-max has the authors' later loss, preset sampled "
        "is trained against sampled items",
        source="Hidasi et al., ICLR 2016; Hidasi and Karatzoglou, CIKM 2018",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="sasrec",
        factory="baselines.sequential.sasrec:SASRec",
        tasks=("recommendation",),
        reads=("order",),
        about="causal self-attention; RecBole's blocks, trained by cross-entropy over the catalogue at all positions; "
        "preset sampled is trained against sampled items; preset original has the paper's blocks, and binary "
        "cross-entropy with one negative per position",
        source="Kang and McAuley, ICDM 2018",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="esasrec",
        factory="baselines.sequential.esasrec:ESASRec",
        tasks=("recommendation",),
        reads=("order",),
        about="SASRec with gated (LiGR) blocks and sampled softmax; all positions of a batch share its negatives, "
        "where in the paper each has its own",
        source="Tikhonovich et al., RecSys 2025",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="hstu",
        factory="baselines.sequential.hstu:HSTU",
        tasks=("recommendation",),
        reads=("order",),
        about="pointwise attention without softmax, gated, trained by sampled softmax of cosines; shared negatives, "
        "and no bias by the time of the next item, which the authors' program reads at test too",
        source="Zhai et al., ICML 2024",
        new_users=True,
        new_items=False,
    ),
    ModelCard(
        name="bert4rec",
        factory="baselines.sequential.bert4rec:BERT4Rec",
        tasks=("recommendation",),
        reads=("order",),
        about="a bidirectional transformer that predicts masked items; masks redrawn in every epoch; preset sampled is "
        "trained against sampled items",
        source="Sun et al., CIKM 2019",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="s3rec",
        factory="baselines.sequential.s3rec:S3Rec",
        tasks=("recommendation", "selection"),
        reads=("order", "text"),
        about="a causal transformer pre-trained to predict items, segments, categories and brands from context; "
        "then binary cross-entropy with one negative per position. Pre-training samples prefixes of sequences, where "
        "the paper uses all; a negative may be a held-out item",
        source="Zhou et al., CIKM 2020",
        new_users=True,
        new_items=False,
        version=2,
    ),
    ModelCard(
        name="unisrec",
        factory="baselines.sequential.unisrec:UniSRec",
        tasks=("recommendation", "selection"),
        reads=("order", "text"),
        about="causal transformer over adapted text plus item embeddings; contrastive pre-training on the texts of the "
        "training part, with copies that drop items but not words; then fine-tuned",
        source="Hou et al., KDD 2022, transductive",
        new_users=True,
        new_items=False,
        features=("text",),
        version=2,
    ),
    ModelCard(
        name="unisrec-inductive",
        factory="baselines.sequential.unisrec:InductiveUniSRec",
        tasks=("recommendation", "selection"),
        reads=("order", "text"),
        about="unisrec without item embeddings: items are represented by text alone, so unseen items can be scored",
        source="Hou et al., KDD 2022, inductive",
        new_users=True,
        new_items=True,
        features=("text",),
        version=2,
    ),
    ModelCard(
        name="recformer",
        factory="baselines.sequential.recformer:Recformer",
        tasks=("recommendation",),
        reads=("order", "text"),
        about="histories and items as sentences of attributes and their words, encoded by one small transformer with "
        "its own vocabulary (the authors' is a pre-trained Longformer); pre-trained on masked words and next items of "
        "the training part, then fine-tuned with item vectors renewed once per epoch, then fixed",
        source="Li et al., KDD 2023",
        new_users=True,
        new_items=True,
    ),
    ModelCard(
        name="transrec",
        factory="baselines.sequential.transrec:TransRec",
        tasks=("recommendation",),
        reads=("order", "text"),
        about="causal transformer over the texts of items, by a pre-trained encoder that is trained with it: through "
        "adapters (default), by low-rank updates, as a whole, or not at all; no training on another corpus before",
        source="Fu et al., WSDM 2024",
        new_users=True,
        new_items=True,
        features=("text",),
    ),
)
