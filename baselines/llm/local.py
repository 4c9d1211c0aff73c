"""A causal language model of transformers on this machine: likelihoods with a shared prompt, and greedy texts.

The log-likelihood of a continuation y of a prompt x is

    l(y | x) = sum over j of log softmax(z_j)[y_j]

with the logits ``z_j`` before token ``y_j`` in float32. The prompt is read once; its keys and values are repeated for
the continuations, which are read together. Prompt and continuation are tokenised as one text, since at their seam two
texts have other tokens than one.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor

from baselines.llm.backend import Answer, Backend, Prompt, Request
from unimp_bench.errors import UsageError
from unimp_bench.machine import device
from unimp_bench.pretrained import decoder_place, hub_folder, weights_hash
from unimp_bench.torch_setup import make_torchvision_importable, own_chance

TINY = "tiny"
"""A decoder with random weights that reads bytes: nothing to download, for tests."""

_PATTERNS = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors")
_BYTES = 2**29  # of keys and values that are held at once
_END, _PAD = "<|end|>", "<|pad|>"


class LocalModel(Backend):
    """A model by the name of a package of weights, a folder, a name on the hub, or ``tiny``.

    Args:
        name: of the model.
        chat: render prompts by the model's chat template.
        batch: texts that are generated at once.

    Raises:
        UsageError: there is no such model, or it has no chat template.
        DependencyError: the package is not installed.
    """

    def __init__(self, name: str, *, chat: bool, batch: int) -> None:
        self._tokenizer, self._model, self._identity = _tiny() if name == TINY else read_model(name)
        self._model.to(device())
        self._chat, self._batch = chat, batch
        if chat and not self._tokenizer.chat_template:
            raise UsageError(f"language model {name!r} has no chat template; set chat=false")
        own = set(self._tokenizer.get_vocab().values())
        self._ends = {int(each) for each in (self._tokenizer.eos_token_id, *_list(self._model.config)) if each in own}
        self._breaks = torch.tensor([id for id in sorted(own) if "\n" in self._tokenizer.decode([id])])
        self._longest = int(getattr(self._model.config, "max_position_embeddings", 2**31))

    @property
    def identity(self) -> Mapping[str, str]:
        return {
            "backend": "transformers",
            "version": transformers.__version__,
            "torch": torch.__version__,
            "device": device().type,
            "dtype": str(self._model.dtype),
            "chat": str(self._tokenizer.chat_template) if self._chat else "",
            **self._identity,
        }

    def parameters(self) -> int:
        return sum(each.numel() for each in self._model.parameters())

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Likelihoods one request after another; texts in batches of like length."""
        writing = []
        for number, request in enumerate(requests):
            if request.continuations:
                yield number, self.likelihoods(request)
            else:
                writing.append((number, request, self._prompt(request)))
        writing.sort(key=lambda each: (-len(each[2]), each[0]))
        while writing:
            together = [each for each in writing[: self._batch] if each[1].limit == writing[0][1].limit]
            together = [each for each in together if each[1].lines == writing[0][1].lines]
            writing = [each for each in writing if each not in together]
            texts = self._generated([ids for _, _, ids in together], together[0][1])
            yield from ((number, answer) for (number, _, _), answer in zip(together, texts, strict=True))

    def likelihoods(self, request: Request) -> Answer:
        """Of the request's continuations, with the keys and values of their prompt computed once.

        Raises:
            UsageError: a continuation alone is longer than the model's context.
        """
        prompt, whole, cut = self._tokens(request)
        shared = min(min(cut), min(len(ids) for ids in whole) - 1, len(prompt))
        with torch.inference_mode():
            # The last shared token is read with each continuation, so that its logits are at hand.
            held, start = None, max(0, shared - 1)
            if start:
                read = self._tensor([whole[0][:start]])
                held = self._model.base_model(input_ids=read, use_cache=True).past_key_values
            most = self._together(max(len(ids) for ids in whole))
            totals: list[float] = []
            for first in range(0, len(whole), most):
                part = whole[first : first + most]
                totals += self._sums(part, cut[first : first + most], start, held)
        lengths = tuple(len(ids) - first for ids, first in zip(whole, cut, strict=True))
        read_tokens = start + sum(len(ids) - start for ids in whole)
        return Answer(totals=tuple(totals), lengths=lengths, tokens_in=read_tokens)

    def _sums(self, whole: list[list[int]], cut: list[int], start: int, held: Any) -> list[float]:
        """l(y | x) of token sequences that share ``start`` tokens, of each from its token ``cut`` on."""
        rows, longest = len(whole), max(len(ids) for ids in whole)
        tokens = torch.zeros(rows, longest - start, dtype=torch.int64)
        attends = torch.zeros(rows, longest, dtype=torch.int64)
        for row, ids in enumerate(whole):
            tokens[row, : len(ids) - start] = torch.tensor(ids[start:])
            attends[row, : len(ids)] = 1
        past = None
        if held is not None:
            past = copy.deepcopy(held)  # repeating changes it in place
            past.batch_repeat_interleave(rows)
        given = tokens.to(self._model.device)
        logits = self._model(
            input_ids=given, attention_mask=attends.to(given.device), past_key_values=past, use_cache=held is not None
        ).logits
        found = logits[:, :-1].float().log_softmax(-1).gather(2, given[:, 1:, None])[..., 0].double().cpu()
        return [
            float(found[row, first - start - 1 : len(ids) - start - 1].sum())
            for row, (ids, first) in enumerate(zip(whole, cut, strict=True))
        ]

    def _tokens(self, request: Request) -> tuple[list[int], list[list[int]], list[int]]:
        """Tokens of the prompt, of prompt and each continuation, and where each continuation begins, at least 1."""
        text = self._rendered(request.prompt)
        prompt = self._encoded(text) or [self._first()]
        whole, cut = [], []
        for continuation in request.continuations:
            ids = self._encoded(text + continuation)
            if not text:
                ids = [self._first(), *ids]
            same = next((n for n, (a, b) in enumerate(zip(prompt, ids, strict=False)) if a != b), len(prompt))
            whole.append(ids)
            cut.append(max(1, min(same, len(ids) - 1)))
        excess = max(len(ids) for ids in whole) - self._longest
        if excess > 0:  # the oldest tokens of the prompt are dropped, never those of a continuation
            if excess >= min(cut):
                raise UsageError(f"a text does not fit into the {self._longest} tokens of the language model")
            prompt, whole = prompt[excess:], [ids[excess:] for ids in whole]
            cut = [first - excess for first in cut]
        return prompt, whole, [max(1, first) for first in cut]

    def _generated(self, prompts: list[list[int]], request: Request) -> list[Answer]:
        """The greedy continuations of prompts, padded on their left."""
        room = self._longest - request.limit
        if room < 1:
            raise UsageError(f"{request.limit} tokens do not fit into the {self._longest} of the language model")
        prompts = [ids[-room:] for ids in prompts]
        longest = max(map(len, prompts))
        padding = self._tokenizer.pad_token_id or 0
        tokens = self._tensor([[padding] * (longest - len(ids)) + ids for ids in prompts])
        attends = self._tensor([[0] * (longest - len(ids)) + [1] * len(ids) for ids in prompts])
        stops = set(self._ends) | (set(self._breaks.tolist()) if request.lines else set())
        with torch.inference_mode():
            found = self._model.generate(
                input_ids=tokens,
                attention_mask=attends,
                generation_config=transformers.GenerationConfig(
                    max_new_tokens=request.limit,
                    do_sample=False,
                    eos_token_id=sorted(stops) or None,
                    pad_token_id=padding,
                ),
            )[:, longest:].tolist()
        answers = []
        for ids, given in zip(found, prompts, strict=True):
            end = next((place for place, id in enumerate(ids) if id in stops), len(ids))
            ended = ids[end : end + 1] if ids[end : end + 1] and ids[end] not in self._ends else []
            text = self._tokenizer.decode([*ids[:end], *ended], skip_special_tokens=True)
            answers.append(Answer(text, tokens_in=len(given), tokens_out=min(end + 1, len(ids))))
        return answers

    def _prompt(self, request: Request) -> list[int]:
        return self._encoded(self._rendered(request.prompt)) or [self._first()]

    def _rendered(self, prompt: Prompt) -> str:
        if not self._chat:
            return prompt.plain
        turns = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.text}]
        rendered: str = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return rendered + prompt.begun.rstrip()

    def _encoded(self, text: str) -> list[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=not self._chat)["input_ids"]
        return ids

    def _first(self) -> int:
        """What a text without a prompt follows."""
        known = (self._tokenizer.bos_token_id, self._tokenizer.eos_token_id)
        return next((int(each) for each in known if each is not None), 0)

    def _tensor(self, rows: list[list[int]]) -> Tensor:
        return torch.tensor(rows, device=self._model.device)

    def _together(self, length: int) -> int:
        """How many continuations of this length fit into the budget for keys and values."""
        config = self._model.config
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        each = 2 * config.num_hidden_layers * heads * width * length * self._model.dtype.itemsize
        return max(1, int(_BYTES // (each + 4 * length * config.vocab_size)))


def _list(config: Any) -> list[int]:
    ends = config.eos_token_id
    return [] if ends is None else list(ends) if isinstance(ends, list) else [ends]


def read_model(name: str) -> tuple[Any, Any, dict[str, str]]:
    """Tokenizer, causal language model in float32, and what identifies them, by the name of a package, folder or hub.

    Raises:
        UsageError: it cannot be read.
        DependencyError: the package is not installed.
    """
    make_torchvision_importable()
    from transformers import AutoModelForCausalLM, AutoTokenizer

    place = decoder_place(name)
    if not Path(place).is_dir() and (Path(place).is_absolute() or place.startswith(".")):
        raise UsageError(f"language model {name!r} cannot be read (no such folder)")
    folder = Path(place) if Path(place).is_dir() else hub_folder(place, _PATTERNS)
    safe = {"trust_remote_code": False, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, **safe)
        with own_chance():
            model, report = AutoModelForCausalLM.from_pretrained(
                folder, dtype=torch.float32, weights_only=True, output_loading_info=True, **safe
            )
        if report["missing_keys"]:
            raise ValueError(f"its weights lack {sorted(report['missing_keys'])[0]}")
    except Exception as error:  # transformers raises of every kind: OSError, ValueError, KeyError
        reason = " ".join(str(error).split())[:200]
        raise UsageError(
            f"language model {name!r} cannot be read ({reason}); name a package of weights, a folder of a causal model "
            "of transformers, or one of the hub"
        ) from None
    tokens = tokenizer.backend_tokenizer.to_str() if tokenizer.is_fast else repr(sorted(tokenizer.get_vocab().items()))
    return tokenizer, model.eval(), {"weights": weights_hash(folder), "tokenizer": _digits(tokens)}


def _tiny() -> tuple[Any, Any, dict[str, str]]:
    make_torchvision_importable()
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    bytes_alone = Tokenizer(models.BPE({letter: number for number, letter in enumerate(letters)}, []))
    bytes_alone.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    bytes_alone.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_alone, eos_token=_END, pad_token=_PAD)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=4096,
        initializer_range=0.2,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    with own_chance():
        model = LlamaForCausalLM(config)
    return tokenizer, model.eval(), {"weights": TINY, "tokenizer": TINY}


def _digits(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
