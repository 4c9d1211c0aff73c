"""How long a server is borne with."""

from __future__ import annotations

from data_prep.download.http import Patience


def test_pauses_grow_with_jitter_up_to_a_bound() -> None:
    patience = Patience(first_pause=1.0, longest_pause=8.0)
    for failures, longest in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0), (9, 8.0)):
        pauses = {patience.pause(failures, None) for _ in range(50)}
        assert longest / 2 <= min(pauses) < max(pauses) <= longest
    assert patience.pause(1, 30.0) == 30.0


def test_when_to_give_up() -> None:
    patience = Patience(attempts=3, longest_pause=60.0, longest_wait=600.0)
    assert [patience.gives_up(failures, 60.0) for failures in (1, 2, 3, 4)] == [False, False, True, True]
    assert not patience.gives_up(1, 600.0)
    assert patience.gives_up(1, 601.0)
