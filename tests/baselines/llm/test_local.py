"""Likelihoods with shared prompts and greedy texts against plain passes of whole texts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from baselines.llm.backend import Prompt, Request
from baselines.llm.local import LocalModel
from unimp_bench.errors import UsageError
from unimp_bench.pretrained import installed

CONTINUATIONS = (" a\n", " The Matrix (1999)\n", " x", " one that is very much longer than all the others\n")
PROMPTS = [Prompt("Things that one person chose:\n- Heat", "-"), Prompt("", "A:"), Prompt("ends in a blank ")]


@pytest.fixture(scope="module")
def tiny() -> LocalModel:
    return LocalModel("tiny", chat=False, batch=3)


def alone(model: LocalModel, prompt: Prompt, continuation: str) -> tuple[float, int]:
    """By one pass over the whole text, without a cache."""
    before = model._tokenizer(prompt.plain)["input_ids"]
    ids = model._tokenizer(prompt.plain + continuation)["input_ids"]
    assert ids[: len(before)] == before
    with torch.inference_mode():
        logs: Tensor = model._model(torch.tensor([ids])).logits[0].log_softmax(-1)
    places = range(len(before), len(ids))
    return sum(float(logs[place - 1, ids[place]]) for place in places), len(places)


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda prompt: prompt.plain[:8])
def test_shared_prompts_give_the_likelihoods_of_whole_texts(tiny: LocalModel, prompt: Prompt) -> None:
    answer = tiny.likelihoods(Request(prompt, CONTINUATIONS))
    for total, length, continuation in zip(answer.totals, answer.lengths, CONTINUATIONS, strict=True):
        expected, count = alone(tiny, prompt, continuation)
        assert total == pytest.approx(expected, abs=1e-4) and length == count
    read = len(tiny._tokenizer(prompt.plain)["input_ids"])
    assert answer.tokens_in < read + sum(answer.lengths) + len(CONTINUATIONS) + 1  # the prompt was read once


def test_parts_of_the_continuations_give_the_same(tiny: LocalModel, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(PROMPTS[0], CONTINUATIONS)
    together = tiny.likelihoods(request).totals
    monkeypatch.setattr("baselines.llm.local._BYTES", 1)
    assert tiny.likelihoods(request).totals == pytest.approx(together, abs=1e-4)


def test_all_tokens_together_have_probability_one(tiny: LocalModel) -> None:
    letters = [tiny._tokenizer.decode([number]) for number in range(256)]
    one_byte = tuple(letter for letter in letters if len(letter.encode()) == 1 and letter.isascii())
    answer = tiny.likelihoods(Request(Prompt("x"), one_byte))
    with torch.inference_mode():
        logits: Tensor = tiny._model(torch.tensor([tiny._tokenizer("x")["input_ids"]])).logits[0, -1]
    ids = [tiny._tokenizer(letter)["input_ids"][0] for letter in one_byte]
    assert sum(torch.tensor(answer.totals).exp()) == pytest.approx(float(logits.softmax(-1)[ids].sum()), abs=1e-5)


def test_a_long_prompt_loses_its_oldest_tokens(tiny: LocalModel) -> None:
    cut, tiny._longest = tiny._longest, 40
    try:
        long = tiny.likelihoods(Request(Prompt("y" * 100 + "history of things that fit"), (" abc\n",)))
        short = tiny.likelihoods(Request(Prompt(("y" * 100 + "history of things that fit")[-35:]), (" abc\n",)))
        assert long.totals == pytest.approx(short.totals, abs=1e-4)
        with pytest.raises(UsageError, match="does not fit into the 40 tokens"):
            tiny.likelihoods(Request(Prompt("y"), (" " + "z" * 60,)))
    finally:
        tiny._longest = cut


def test_texts_do_not_depend_on_their_batch(tiny: LocalModel) -> None:
    requests = [Request(Prompt("q" * length), limit=12) for length in (3, 40, 11, 25, 7)]
    together = dict(tiny.answers(requests))
    for number, request in enumerate(requests):
        assert dict(tiny.answers([request]))[0] == together[number]
        ids = tiny._tokenizer(request.prompt.plain)["input_ids"]
        wanted: list[int] = []
        while len(wanted) < request.limit:
            with torch.inference_mode():
                wanted.append(int(tiny._model(torch.tensor([ids + wanted])).logits[0, -1].argmax()))
            if wanted[-1] in tiny._ends or "\n" in tiny._tokenizer.decode(wanted[-1:]):
                break
        assert together[number].text == tiny._tokenizer.decode(wanted, skip_special_tokens=True)


def test_a_missing_model_or_chat_template_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        LocalModel(str(tmp_path / "nothing"), chat=False, batch=1)
    with pytest.raises(UsageError, match="no chat template; set chat=false"):
        LocalModel("tiny", chat=True, batch=1)


@pytest.mark.slow
@pytest.mark.skipif(not installed("smollm2"), reason="the package of SmolLM2's weights is not installed")
def test_smollm2_reads_and_writes() -> None:
    model = LocalModel("smollm2", chat=False, batch=2)
    prompt = Prompt("Films that one person liked:\n- The Matrix\n- The Matrix Reloaded\nThe next one:", "-")
    answer = model.likelihoods(Request(prompt, (" The Matrix Revolutions\n", " Qwv Zxk Plf\n")))
    assert answer.totals[0] > answer.totals[1]
    assert answer.totals[0] == pytest.approx(alone(model, prompt, " The Matrix Revolutions\n")[0], abs=1e-3)
    chat = LocalModel("smollm2", chat=True, batch=2)
    ((_, text),) = chat.answers([Request(Prompt("What is the capital of France?"), limit=20)])
    assert "Paris" in text.text
