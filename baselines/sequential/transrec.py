"""TransRec: a pre-trained text encoder and a sequential recommender, trained together through adapters.

Fu, Yuan, Song, Yuan, Cheng, Cheng, Zhang, Wang, Pan: Exploring Adapter-based Transfer Learning for Recommender Systems:
Empirical Studies and Practical Insights, WSDM 2024.

    t_j = W x_j + b,        x_j the text vector of item j (``baselines.sequential.text_encoder``)
    s = Transformer(t_1 .. t_n) at n,        score(j) = cos(s, t_j) / tau

``trained`` sets what is trained of the encoder; W, b and the transformer over the history are trained in all variants.
Items without training interactions are scored by their texts. ``text=lsa`` reads latent semantic analysis, which has no
weights, and ``text=none`` has an embedding per item instead of ``x``, the same recommender without texts.

Variants are made for comparison: at one seed they begin with the same vectors and weights, see the same batches, and
take the same number of steps: none stops early by default. The best epoch is chosen on validation.

Differences from the authors' program: their encoder and transformer are first trained as a whole on another corpus, and
on the target corpus both are frozen but for adapters in both; here the encoder is that of its publishers, and the
transformer is trained from scratch. Their ``t`` is GELU(W x + b), with scores ``s . t_j`` and binary cross-entropy with
one negative per position; here cosines and sampled softmax, as of ``unisrec``. Their adapters have ReLU, ours GELU, and
begin exactly at the identity. Texts have title, category, brand and description; 30 tokens of a title there.

A step encodes the texts of its own items: of the histories, the next items and the negatives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from baselines.learning.encoder import init_weights
from baselines.learning.files import reading
from baselines.learning.interactions import Interactions
from baselines.learning.network import TrainingSettings
from baselines.sequential.content import ContentNetwork, InductiveRanker, required_vectors
from baselines.sequential.next_item import HistoryEncoder, TransformerSettings
from baselines.sequential.objectives import SampledSettings, SampledSoftmax
from baselines.sequential.text_encoder import EncoderSettings, PretrainedTexts, TrainedEncoder
from unimp_bench.corpus import Items
from unimp_bench.corpus.features.names import NOTHING
from unimp_bench.corpus.features.text import LSA
from unimp_bench.errors import UsageError
from unimp_bench.records import FloatArray
from unimp_bench.settings import Count, Rate

FILE = "encoder.json"
_IDS = "id embeddings alone: an item without a training interaction keeps its initial vector"


@dataclass(frozen=True)
class TransRecConfig(EncoderSettings, SampledSettings, TransformerSettings):
    """Settings.

    Attributes:
        patience: as of all models; the default ends no training early, so that variants take equal steps.
        batch_size: windows of users' sequences per step.
        text: ``minilm``, or the name or folder of a text encoder; ``lsa``; ``none``, an embedding per item.
        temperature: tau, of all cosines.
    """

    epochs: Count = 50
    validate_every: Count = 5
    patience: Count = 1000
    batch_size: Count = 256
    text: str = "minilm"
    temperature: Rate = 0.07

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text in (LSA, NOTHING) and self.trained != "frozen":
            raise ValueError(f"text={self.text} has no encoder to train: set trained=frozen")


class TransRecNetwork(ContentNetwork):
    """Text encoder or constant features, projection and transformer.

    Args:
        interactions: the training part, of all items of the corpus.
        content: the texts of an encoder that is trained, constant features (I, F), or None for id embeddings.
        config: the settings.

    Attributes:
        encoder: None where features are constant, or there are none.
        features: (I, F) constant features; empty otherwise.
        text_of: (I,) number of the text of each item, -1 for none; empty without an encoder.
    """

    features: Tensor
    text_of: Tensor

    def __init__(
        self, interactions: Interactions, content: PretrainedTexts | FloatArray | None, config: TransRecConfig
    ) -> None:
        sampled = SampledSoftmax(interactions, config)
        super().__init__(interactions, config.max_length, config.batch_size, config.temperature, sampled)
        self.config = config
        self.history = HistoryEncoder(config, causal=True)
        self.ids = nn.Embedding(self.padding, config.width) if content is None else None
        features = content if isinstance(content, np.ndarray) else np.zeros((0, 0), dtype=np.float32)
        inputs = content.width if isinstance(content, PretrainedTexts) else features.shape[1]
        self.project = None if content is None else nn.Linear(inputs, config.width)
        self.apply(init_weights)
        texts = content if isinstance(content, PretrainedTexts) else None
        self.encoder = None if texts is None else TrainedEncoder(texts, config)
        text_of = np.zeros(0, dtype=np.int64) if texts is None else texts.of[interactions.items]
        self.register_buffer("features", torch.from_numpy(features), persistent=False)
        self.register_buffer("text_of", torch.from_numpy(text_of), persistent=False)
        if content is None:
            self.remarks = (_IDS,)

    def vectors(self, rows: Tensor) -> Tensor:
        if self.project is None:
            assert self.ids is not None
            own: Tensor = self.ids(rows)
            return own
        projected: Tensor = self.project(self.inputs(rows))
        return projected

    def inputs(self, rows: Tensor) -> Tensor:
        """``x``, (n, F): of items that share a text it is encoded once."""
        if self.encoder is None:
            return self.features[rows]
        numbers, places = torch.unique(self.text_of[rows], return_inverse=True)
        encoded: Tensor = self.encoder(numbers)
        return encoded[places]

    def optimizers(self, settings: TrainingSettings) -> Sequence[torch.optim.Optimizer]:
        trained = [weight for weight in self.parameters() if weight.requires_grad]
        of_encoder = set() if self.encoder is None else {id(weight) for weight in self.encoder.parameters()}
        optimizer = self.adam((weight for weight in trained if id(weight) not in of_encoder), settings.learning_rate)
        read = [weight for weight in trained if id(weight) in of_encoder]
        if read:
            optimizer.add_param_group({"params": read, "lr": self.config.encoder_rate})
        return (optimizer,)

    def state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        """Without the frozen weights of the encoder, which its publishers keep."""
        frozen = self._frozen()
        return {name: tensor for name, tensor in super().state_dict(*args, **kwargs).items() if name not in frozen}

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        return super().load_state_dict({**self._frozen(), **state_dict}, strict, assign)

    def _frozen(self) -> dict[str, Tensor]:
        return {name: weight.data for name, weight in self.named_parameters() if not weight.requires_grad}


class TransRec(InductiveRanker[TransRecConfig]):
    """See the module."""

    Config = TransRecConfig
    name = "transrec"
    space: ClassVar[Mapping[str, tuple[Any, ...]]] = {
        "learning_rate": (1e-3, 3e-3, 5e-4),
        "encoder_rate": (1e-4, 1e-3, 3e-5),
        "dropout": (0.5, 0.2),
        "width": (64, 128),
    }
    _weights: str = ""

    def build(self, interactions: Interactions, items: Items, cache: Path) -> TransRecNetwork:
        config = self.config
        self._weights = ""
        if config.text == NOTHING:
            return TransRecNetwork(interactions, None, config)
        if config.trained == "frozen" and (config.text == LSA or "text" in items.features):
            vectors = required_vectors(items, config.text, cache, self.name)
            scaled = vectors.values[interactions.items] * np.float32(np.sqrt(vectors.width))
            return TransRecNetwork(interactions, scaled, config)
        if "text" in items.features:
            raise UsageError(
                f"trained={config.trained} trains the encoder that the setting text names, and reads no stored "
                "features: omit text from --features, or set trained=frozen"
            )
        texts = PretrainedTexts.read(items, config.text, config.tokens, cache)
        self._weights = texts.weights
        features = texts.features()[interactions.items] if config.trained == "frozen" else None
        return TransRecNetwork(interactions, texts if features is None else features, config)

    def save(self, folder: Path) -> None:
        super().save(folder)
        (folder / FILE).write_text(json.dumps({"weights": self._weights}), encoding="utf-8")

    def load(self, folder: Path, items: Items, cache: Path) -> None:
        super().load(folder, items, cache)
        with reading(folder / FILE):
            weights = json.loads((folder / FILE).read_text(encoding="utf-8"))["weights"]
        if weights != self._weights:
            raise UsageError(f"the text encoder {self.config.text!r} has other weights than this model was fitted with")
