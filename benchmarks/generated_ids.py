"""Generation of semantic ids.

Beam search for the ids of the next item in a T5 of TIGER's small size, in the trie of all ids. **transformers**:
`generate` of transformers with `prefix_allowed_tokens_fn`, which looks up the prefix of every beam, and keeps keys
and values of the history once per beam. **tiger**: the beams of `unimp_bench.generative`, with the trie as arrays,
the history once. Both have the same weights (drawn at random), the same softmax over all codes of all levels, and the
same histories. *Same lists* is the share of histories whose lists of items are equal. *Threshold search* finds the
exact rank of an item, here one at rank 1, 10, 100 and 1,000, without scoring all; random weights leave nearly all
probability to ids of no item, which is its worst case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor, nn

from baselines.generative.coded import CodedInteractions
from baselines.generative.tiger import IdDecoder, TigerConfig, TigerNetwork
from benchmarks.harness import Measure, benchmark, seconds_in_turns, times
from unimp_bench.generative.beam import beam_search
from unimp_bench.generative.exact import exact_ranks
from unimp_bench.ragged import Ragged
from unimp_bench.records import IntArray

LEVELS, CODES, LENGTH = 4, 256, 7
BATCH = 32
CPU = torch.device("cpu")
RANKS = (1, 10, 100, 1000)
"""Of the items whose exact rank is found, one a history."""


class JointDecoder(IdDecoder):
    """TIGER's decoder with one softmax over the codes of all levels, as a language model has."""

    def log_probabilities(self, tokens: Tensor) -> Tensor:
        heads = output_of(self._network)
        logits = self._states @ heads.T
        first, found = logits.shape[:2], logits - logits.logsumexp(dim=2, keepdim=True)
        return found.gather(2, tokens.view(*first, -1))


def output_of(network: TigerNetwork) -> Tensor:
    """The output matrices of all levels, (codes of all levels, width)."""
    heads: list[Any] = list(network.heads)
    return torch.cat([head.weight for head in heads])


def network_of(items: int, config: TigerConfig) -> TigerNetwork:
    """A network with random weights over items with random ids, similar in their first codes."""
    rng = np.random.default_rng(0)
    codes = np.minimum(rng.zipf(1.3, size=(items, LEVELS)) * rng.integers(1, 8, (items, LEVELS)), CODES) - 1
    codes = np.unique(codes, axis=0)
    rows = np.arange(len(codes))
    torch.manual_seed(0)
    return TigerNetwork(CodedInteractions(rows[:1], rows, Ragged.of_rows([rows[:2]], np.int64), codes), config).eval()


def plain_model(network: TigerNetwork, config: TigerConfig) -> Any:
    """The same weights in transformers' T5, whose tokens are the codes, padding and the begin of an id."""
    from transformers import T5Config, T5ForConditionalGeneration

    padding = int(network.bounds[-1])
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=padding + 2,
            d_model=config.width,
            d_ff=config.inner,
            d_kv=config.head_width,
            num_heads=config.heads,
            num_layers=config.layers,
            pad_token_id=padding,
            decoder_start_token_id=padding + 1,
            eos_token_id=None,
            tie_word_embeddings=False,
        )
    ).eval()
    with torch.no_grad():
        model.shared.weight.copy_(torch.cat([network.embed.weight, network.begin[None]]))
        for side in ("encoder", "decoder"):
            getattr(model, side).load_state_dict(getattr(network.blocks, side).state_dict(), strict=False)
            getattr(model, side).embed_tokens.weight.copy_(model.shared.weight)
        model.lm_head = nn.Linear(config.width, padding + 2, bias=False)  # the library ties it to the embeddings
        model.lm_head.weight[:padding] = output_of(network)
        model.lm_head.weight[padding:] = 0
    return model


def allowed(network: TigerNetwork) -> Callable[[int, Tensor], list[int]]:
    """What may follow a prefix, by a dictionary of all prefixes."""
    following: dict[tuple[int, ...], set[int]] = {}
    for row in network.token_of[:-1].tolist():
        for level in range(LEVELS):
            following.setdefault(tuple(row[:level]), set()).add(row[level])
    lists = {prefix: sorted(tokens) for prefix, tokens in following.items()}
    return lambda _, written: lists.get(tuple(written[1:].tolist()), [0])


class Forbidding:
    """Takes padding and the begin out of the softmax, which no level has."""

    def __init__(self, head: Any, padding: int) -> None:
        self._head, self._padding = head, padding

    def __call__(self, _: Any, __: Any, logits: Tensor) -> Tensor:
        logits[..., self._padding :] = -torch.inf
        return logits


def every(network: TigerNetwork, histories: IntArray) -> tuple[Tensor, Tensor]:
    """All ids after each history, best first, and their log-probabilities."""
    memory, real = network.encode(torch.from_numpy(histories))
    return beam_search(JointDecoder(network, memory, real), network.trie, len(histories), network.trie.size, CPU)


@benchmark("torch", "transformers")
@click.option("--items", default=12_000)
@click.option("--users", default=64)
@click.option("--beams", default=50)
@click.option("--rounds", default=3)
@torch.no_grad()
def command(items: int, users: int, beams: int, rounds: int) -> Iterator[Measure]:
    """See the docstring of the module."""
    config = TigerConfig(beams=beams)
    network = network_of(items, config)
    histories = np.random.default_rng(1).integers(network.padding, size=(users, LENGTH))
    model, prefixes, padding = plain_model(network, config), allowed(network), int(network.bounds[-1])
    model.lm_head.register_forward_hook(Forbidding(model.lm_head, padding))
    parts = np.split(histories, range(BATCH, users, BATCH))

    def plain() -> IntArray:
        found = [
            model.generate(
                network.token_of[torch.from_numpy(part)].flatten(1),
                num_beams=beams,
                num_return_sequences=beams,
                min_new_tokens=LEVELS,
                max_new_tokens=LEVELS,
                length_penalty=0.0,
                do_sample=False,
                prefix_allowed_tokens_fn=prefixes,
            )[:, 1:].view(len(part), beams, LEVELS)
            for part in parts
        ]
        return torch.cat(found).numpy()

    def own() -> IntArray:
        found = []
        for part in parts:
            memory, real = network.encode(torch.from_numpy(part))
            rows, _ = beam_search(JointDecoder(network, memory, real), network.trie, len(part), beams, CPU)
            found.append(network.trie.tokens_of(rows.numpy()))
        return np.concatenate(found)

    some = histories[: len(RANKS)]
    ranked, _ = every(network, some)
    places = np.minimum(RANKS, network.trie.size)[: len(some)] - 1
    targets = np.argsort(network.id_of)[ranked.numpy()[np.arange(len(some)), places]]

    def searched() -> IntArray:
        memory, real = network.encode(torch.from_numpy(some))
        decoder = lambda: JointDecoder(network, memory, real)  # noqa: E731
        ranks, _ = exact_ranks(decoder, network.trie, network.id_of, targets, CPU, most=network.trie.size)
        return ranks

    def scored() -> IntArray:
        rows, scores = every(network, some)
        place = rows == torch.from_numpy(network.id_of[targets])[:, None]
        bars = scores[place][:, None]
        return (scores >= bars - 1e-5).sum(dim=1).numpy()

    same = np.mean([set(map(tuple, a)) == set(map(tuple, b)) for a, b in zip(plain(), own(), strict=True)])
    case = f"lists of {beams} among {network.padding:,} items"
    yield from times(
        case,
        "a list",
        {
            side: [each.each(users) for each in rounds]
            for side, rounds in seconds_in_turns({"transformers": plain, "tiger": own}, rounds).items()
        },
    )
    yield Measure.fact(case, "same lists", float(same))
    case = "exact ranks"
    yield from times(
        case,
        "a rank",
        {
            side: [each.each(len(some)) for each in rounds]
            for side, rounds in seconds_in_turns({"all ids": scored, "threshold search": searched}, rounds).items()
        },
    )
    yield Measure.fact(case, "same ranks", float((scored() == searched()).mean()))
