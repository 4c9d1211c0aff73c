"""The judge by a language model: expectations and numbers, its rubric, and what it does without an answer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from baselines.llm.backend import Prompt
from baselines.llm.judge import FOLDER, SCORES, JudgeConfig, LanguageJudge, Rubric
from baselines.llm.local import LocalModel
from tests.baselines.llm.protocol_server import likelihood, protocol_server
from tests.baselines.llm.test_local import alone
from unimp_bench import registry
from unimp_bench.corpus import Corpus
from unimp_bench.errors import UsageError
from unimp_bench.kinds.judging import Case

HASHES = {"explanation-1": "bd79570022f99800"}
CASES = [Case(0, "it rings well", "a loud  bell"), Case(1, "too small", "too small"), Case(1, "too small", " ")]


@pytest.fixture
def items(make_corpus: Callable[..., Corpus]) -> Corpus:
    return make_corpus([[0, 1]], {"title": pa.array(["Bell", "Box {item}"]), "brand": pa.array(["Acme", ""])})


def test_a_rubric_keeps_its_words() -> None:
    """Results name a rubric: another wording is another file."""
    assert {path.stem: hashlib.sha256(path.read_bytes()).hexdigest()[:16] for path in FOLDER.glob("*.toml")} == HASHES
    with pytest.raises(UsageError, match="did you mean 'explanation-1'"):
        registry.make_judge({"model": "tiny", "rubric": "explanation-2"})


def test_the_score_is_the_expectation_over_the_scores(items: Corpus, tmp_path: Path) -> None:
    judge = LanguageJudge(JudgeConfig(model="tiny"))
    said = judge.judge(CASES, items.items, tmp_path)
    model = LocalModel("tiny", chat=False, batch=1)
    for case, name, score in zip(CASES[:2], ("Bell (Acme)", "Box {item}"), said.scores, strict=False):
        prompt = judge._rubric.prompt(name, case)
        assert f"Product: {name}\n" in prompt.text and f": {case.reference}\n" in prompt.text
        logs = np.array([alone(model, prompt, f" {each}")[0] for each in SCORES])
        shares = np.exp(logs - logs.max()) / np.exp(logs - logs.max()).sum()
        assert score == pytest.approx(float(shares @ np.array(SCORES)), abs=1e-4)
    assert said.scores[2] == 1 and not said.unread.any() and said.usage.requests == 2, "an empty text asks nothing"
    again = judge.judge(CASES[::-1], items.items, tmp_path)
    assert np.array_equal(again.scores, said.scores[::-1]) and again.usage == said.usage


def test_texts_stand_in_the_prompt_as_they_are() -> None:
    rubric = Rubric("{item}|{reference}|{text}", "Score:", "", "", 9)
    assert rubric.prompt("{text}", Case(0, "a\n{item}", "100%  {x}")) == Prompt("{text}|a {item}|100% {x}", "Score:")


def test_the_first_number_of_an_answer_is_read(items: Corpus, tmp_path: Path) -> None:
    with protocol_server(reply=lambda prompt: "Score: 4/5" if "loud" in prompt else "I cannot say.") as book:
        settings = {"model": "x", "server": book.address, "chat": "true", "mode": "generation"}
        judge = registry.make_judge(settings)
        said = judge.judge(CASES, items.items, tmp_path)
        assert said.scores.tolist() == [4, 1, 1] and said.unread.tolist() == [False, True, False]
        assert judge.facts.name == "x" and judge.facts.identity["address"] == book.address
        assert book.bodies[0][1]["messages"][0]["role"] == "system"


def test_a_server_gives_likelihoods(items: Corpus, tmp_path: Path) -> None:
    with protocol_server() as book:
        judge = LanguageJudge(JudgeConfig(model="x", server=book.address))
        said = judge.judge(CASES[:1], items.items, tmp_path)
        texts = book.bodies[0][1]["prompt"]
    start = len(texts[0]) - 2
    logs = np.array([sum(value for place, value in likelihood(each) if place + 4 > start) for each in texts])
    shares = np.exp(logs) / np.exp(logs).sum()
    assert said.scores[0] == pytest.approx(float(shares @ np.array(SCORES)), abs=1e-5)
    with pytest.raises(UsageError, match="set mode=generation"):
        LanguageJudge(JudgeConfig(model="x", server="http://localhost:1/v1", chat=True))


def test_settings_are_checked() -> None:
    with pytest.raises(UsageError, match="did you mean 'rubric'"):
        registry.make_judge({"rubrik": "x"})
    with pytest.raises(UsageError, match="cannot be read"):
        registry.make_judge({"model": "./nothing"})


def test_a_folder_is_named_by_its_last_part_and_a_template_by_its_hash() -> None:
    judge = LanguageJudge(JudgeConfig(model="tiny"))
    judge._config = JudgeConfig(model="/models/mine/")
    judge._backend._chat, judge._backend._tokenizer.chat_template = True, "{% for message in messages %}" * 9  # type: ignore[attr-defined]
    facts = judge.facts
    assert facts.name == "mine" and len(facts.identity["chat"]) == 16 and facts.identity["weights"] == "tiny"
