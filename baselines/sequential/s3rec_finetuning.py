"""The second stage of S3-Rec, the recommender itself: a causal transformer (Zhou et al., 2020, section 4.5).

    h_t = Transformer(items up to t)
    L = mean over positions of  -log sigmoid(h_t . e_next) - log(1 - sigmoid(h_t . e_negative))

with one negative a position, drawn among the items that the user's training sequence lacks (the authors' code looks
at the held-out items too).
"""

from __future__ import annotations

from dataclasses import dataclass

from scipy import sparse
from torch import Tensor

from baselines.learning.encoder import init_weights
from baselines.learning.interactions import Interactions
from baselines.sequential.next_item import NextItemNetwork
from baselines.sequential.objectives import BinaryEntropy
from baselines.sequential.transformer import HistoryEncoder, TransformerSettings
from unimp_bench.settings import Count, Number, Rate, Share, Weight

NO_ATTRIBUTES = "no category and no brand in this corpus: pre-trained on items and segments alone"


@dataclass(frozen=True)
class S3RecConfig(TransformerSettings):
    """Settings.

    Attributes:
        batch_size: windows of users' sequences a step.
        pretraining_epochs: of the first stage, each of one beginning of a sequence a user; 0 leaves it out.
        pretraining_rate: learning rate of the first stage.
        pretraining_batch_size: beginnings of sequences a step of the first stage.
        mask_share: of a beginning's items that are hidden, beside the last one, which always is.
        aap: weight of the first stage's loss on the attributes of items.
        mip: weight of its loss on hidden items.
        map: weight of its loss on the attributes of hidden items.
        sp: weight of its loss on segments.
    """

    epochs: Count = 200
    validate_every: Count = 5
    patience: Count = 5
    batch_size: Count = 256
    pretraining_epochs: Number = 100
    pretraining_rate: Rate = 1e-3
    pretraining_batch_size: Count = 256
    mask_share: Share = 0.2
    aap: Weight = 0.2
    mip: Weight = 1.0
    map: Weight = 1.0
    sp: Weight = 0.5


class S3RecNetwork(NextItemNetwork):
    """Item embeddings and the transformer, of both stages.

    Attributes:
        attributes: (I, attributes) which item has which.
    """

    def __init__(self, interactions: Interactions, attributes: sparse.csr_array, config: S3RecConfig) -> None:
        objective = BinaryEntropy(interactions)
        super().__init__(interactions, config.width, config.max_length, config.batch_size, objective)
        self.attributes, self.config = attributes, config
        self.history = HistoryEncoder(config, causal=True)
        self.apply(init_weights)
        if not attributes.shape[1]:
            self.remarks = (NO_ATTRIBUTES,)

    def encode(self, items: Tensor) -> Tensor:
        states: Tensor = self.history(self.items(items))
        return states
