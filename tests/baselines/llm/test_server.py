"""A served model against a server that fails, cuts off and stalls: nothing is lost, nothing answered is sent again."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.llm.backend import Prompt, Request
from baselines.llm.kept import KeptAnswers
from baselines.llm.server import Limits, ServedModel
from tests.baselines.llm.protocol_server import likelihood, prompt_of, protocol_server
from unimp_bench.contracts import Usage
from unimp_bench.errors import DataError, UsageError

KEY = "SOME_SERVICE_KEY"
QUICK = Limits(at_once=3, attempts=12, timeout=3, pause=0.01)
PROMPTS = [Request(Prompt(f"prompt {number}"), limit=9) for number in range(12)]
MOODS = ("500", "ok", "truncated", "ok", "hang up", "slow", "ok", "503", "429", "ok")


def served(address: str, limits: Limits = QUICK, *, chat: bool = True) -> ServedModel:
    return ServedModel(address, "some-model", chat=chat, key_variable=KEY, limits=limits)


def test_nothing_is_lost_and_nothing_answered_is_sent_again(tmp_path: Path) -> None:
    with protocol_server(lambda number: MOODS[number % len(MOODS)], slow=4.0) as book:
        kept = KeptAnswers(served(book.address), tmp_path / "answers")
        answers = kept.ask([*PROMPTS, PROMPTS[0]], "test")
        assert [answer.text for answer in answers] == [each.prompt.text.upper() for each in [*PROMPTS, PROMPTS[0]]]
        assert dict(book.answered) == {each.prompt.text: 1 for each in PROMPTS}
        assert 1 < book.most_at_once <= QUICK.at_once + 1  # a stalled one may still run at the server
        assert kept.usage == Usage(len(PROMPTS), 7 * len(PROMPTS), 3 * len(PROMPTS)) and not kept.reused
        sent = len(book.bodies)
        again = KeptAnswers(served(book.address), tmp_path / "answers")
        assert again.ask(PROMPTS, "test") == answers[:-1]
        assert len(book.bodies) == sent and again.usage == kept.usage and again.reused == len(PROMPTS)


def test_answers_before_a_failure_are_kept(tmp_path: Path) -> None:
    broken = True

    def mood(number: int) -> str:
        return "500" if broken and number >= 5 else "ok"

    limits = Limits(at_once=1, attempts=2, timeout=2, pause=0.01)
    with protocol_server(mood) as book:
        kept = KeptAnswers(served(book.address, limits), tmp_path / "answers")
        with pytest.raises(DataError, match=r"no answer to 7 of 12 requests in 2 attempts \(last: HTTP 500\)"):
            kept.ask(PROMPTS, "test")
        assert len(book.bodies) == 5 + 2 * 7
        broken = False
        assert len(kept.ask(PROMPTS, "test")) == len(PROMPTS)
        assert dict(book.answered) == {each.prompt.text: 1 for each in PROMPTS}


def test_a_refused_request_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "sk-secret")
    with protocol_server(lambda _: "401") as book:
        kept = KeptAnswers(served(book.address, Limits(at_once=1, pause=0.01)), tmp_path / "answers")
        with pytest.raises(UsageError, match="refuses /chat/completions: HTTP 401") as error:
            kept.ask(PROMPTS, "test")
        assert len(book.bodies) == 1
        assert book.keys == {"Bearer sk-secret"} and "sk-secret" not in str(error.value)


def test_a_key_is_written_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "sk-secret")
    with protocol_server() as book:
        model = served(book.address)
        KeptAnswers(model, tmp_path / "answers").ask(PROMPTS, "test")
    assert "sk-secret" not in str(model.identity)
    assert all(b"sk-secret" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_likelihoods_are_those_of_the_tokens_behind_the_prompt(tmp_path: Path) -> None:
    prompt, continuations = Prompt("abcdefgh", "-"), (" one two\n", " x\n")  # a token crosses the seam
    with protocol_server() as book:
        model = served(book.address, chat=False)
        (answer,) = KeptAnswers(model, tmp_path / "answers").ask([Request(prompt, continuations)], "test")
        path, body = book.bodies[0]
    assert path == "/v1/completions" and body["prompt"] == [prompt.plain + each for each in continuations]
    for total, length, continuation in zip(answer.totals, answer.lengths, continuations, strict=True):
        behind = [value for place, value in likelihood(prompt.plain + continuation) if place + 4 > len(prompt.plain)]
        assert total == pytest.approx(sum(behind)) and length == len(behind)


def test_another_model_or_limit_is_another_answer(tmp_path: Path) -> None:
    with protocol_server() as book:
        for number, (name, limit) in enumerate([("a", 9), ("b", 9), ("a", 8), ("a", 9)]):
            model = ServedModel(book.address, name, chat=True, key_variable=KEY, limits=QUICK)
            KeptAnswers(model, tmp_path / "answers").ask([Request(Prompt("p"), limit=limit)], "test")
            assert len(book.bodies) == min(number + 1, 3)
        assert prompt_of(book.bodies[0][1]) == "p" and book.bodies[0][1]["temperature"] == 0


@pytest.mark.parametrize("address", ["ftp://host/v1", "host:8000", "http://user:word@host/v1"])
def test_addresses_are_checked(address: str) -> None:
    with pytest.raises(UsageError, match="no address of the form"):
        served(address)


def test_a_damaged_file_of_answers_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "answers").write_bytes(b"no database" * 100)
    with protocol_server() as book, pytest.raises(DataError, match="remove it"):
        KeptAnswers(served(book.address), tmp_path / "answers").ask(PROMPTS, "test")
