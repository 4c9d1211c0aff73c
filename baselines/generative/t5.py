"""T5's encoder and decoder (Raffel et al., 2020) from transformers, and a decoder of beams over the same weights.

The blocks are pre-norm, without biases: x = x + attention(norm(x)), the decoder also attends to the encoder's states,
then x = x + W_2 relu(W_1 norm(x)), norm(x) = w x / sqrt(mean(x^2) + 1e-6). Logits of attention are q k + b, not
scaled, with b by 32 buckets of the distance, one table per stack.

``T5Beams`` follows all beams of a history at once. Transformers' own cache holds the keys and values of the history
once per beam; here they are held once, and each beam attends to the few tokens of its own prefix.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from unimp_bench.torch_setup import make_torchvision_importable


class T5(nn.Module):
    """Encoder and decoder over embeddings.

    Args:
        width: of the states.
        inner: width of the feed-forward layers.
        layers: of each of the two.
        heads, head_width: attention heads, and the width of each.
        dropout: of embeddings, attention weights, feed-forward layers and outputs.
    """

    def __init__(self, width: int, inner: int, layers: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        make_torchvision_importable()
        from transformers import T5Config
        from transformers.models.t5.modeling_t5 import T5Stack

        def stack(is_decoder: bool) -> nn.Module:
            config = T5Config(
                vocab_size=1,
                eos_token_id=None,
                d_model=width,
                d_ff=inner,
                d_kv=head_width,
                num_heads=heads,
                num_layers=layers,
                dropout_rate=dropout,
                is_decoder=is_decoder,
                use_cache=False,
            )
            made: nn.Module = T5Stack(config)
            made.embed_tokens = nn.Identity()  # embeddings are given
            return made

        self.encoder, self.decoder = stack(False), stack(True)
        self.heads = heads

    def encode(self, vectors: Tensor, real: Tensor) -> Tensor:
        """States (B, S, width) of embeddings (B, S, width); ``real`` (B, S) bool is false at padding."""
        states: Tensor = self.encoder(inputs_embeds=vectors, attention_mask=real.long()).last_hidden_state
        return states

    def decode(self, vectors: Tensor, memory: Tensor, real: Tensor) -> Tensor:
        """States (B, T, width) of embeddings (B, T, width), each reading those before it and the encoder's states."""
        states: Tensor = self.decoder(
            inputs_embeds=vectors,
            encoder_hidden_states=memory,
            encoder_attention_mask=real.long(),
            use_cache=False,
        ).last_hidden_state
        return states


class T5Beams:
    """The decoder in eval mode, token by token, over several beams of each history.

    Args:
        model: with the weights.
        memory: (B, S, width) states of the encoder.
        real: (B, S) bool, false at padding.
    """

    def __init__(self, model: T5, memory: Tensor, real: Tensor) -> None:
        decoder: Any = model.decoder
        self._blocks, self._norm, self._heads = list(decoder.block), decoder.final_layer_norm, model.heads
        self._real = real[:, None, None, :]
        self._memory: list[tuple[Tensor, Tensor]] = []
        for block in self._blocks:
            cross = block.layer[1].EncDecAttention
            keys, values = (self._split(project(memory)).transpose(1, 2) for project in (cross.k, cross.v))
            self._memory.append((keys, values))
        self._cache: list[tuple[Tensor, Tensor]] = []

    def begin(self, vectors: Tensor) -> Tensor:
        """States (B, 1, width) of the first embeddings, (B, 1, width)."""
        return self._run(vectors)

    def advance(self, parents: Tensor, vectors: Tensor) -> Tensor:
        """States (B, K, width) of beams that continue ``parents`` (B, K), by ``vectors`` (B, K, width)."""
        rows = torch.arange(len(parents), device=parents.device)[:, None]
        self._cache = [(keys[rows, parents], values[rows, parents]) for keys, values in self._cache]
        return self._run(vectors)

    def _run(self, states: Tensor) -> Tensor:
        past, self._cache = self._cache, []
        bias: Tensor | None = None
        for number, (block, memory) in enumerate(zip(self._blocks, self._memory, strict=True)):
            own, cross, forward = block.layer
            attention, normed = own.SelfAttention, own.layer_norm(states)
            queries, keys, values = (
                self._split(project(normed)) for project in (attention.q, attention.k, attention.v)
            )
            keys, values = keys[:, :, None], values[:, :, None]  # (B, K, T, heads, head width)
            if past:
                keys, values = (torch.cat(each, dim=2) for each in zip(past[number], (keys, values), strict=True))
            self._cache.append((keys, values))
            if bias is None:  # the first block's, which all use
                length = keys.shape[2]
                bias = attention.compute_bias(length, length)[0, :, -1].T
            weights = ((queries[:, :, None] * keys).sum(dim=-1) + bias).softmax(dim=2)
            states = states + attention.o((weights[..., None] * values).sum(dim=2).flatten(2))
            queries = self._split(cross.EncDecAttention.q(cross.layer_norm(states))).transpose(1, 2)
            seen = functional.scaled_dot_product_attention(queries, memory[0], memory[1], self._real, scale=1.0)
            states = states + cross.EncDecAttention.o(seen.transpose(1, 2).flatten(2))
            states = forward(states)
        normed_states: Tensor = self._norm(states)
        return normed_states

    def _split(self, states: Tensor) -> Tensor:
        """(B, K, heads, head width) of (B, K, heads x head width)."""
        return states.view(*states.shape[:-1], self._heads, -1)
