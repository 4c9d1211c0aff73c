"""Resources of the text metrics, written once a session."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.metrics.small_resources import write_bert, write_roberta, write_wordnet


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def debian_wordnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny WordNet as Debian installs the whole one."""
    return write_wordnet(tmp_path_factory.mktemp("debian") / "wordnet")


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bert(tmp_path_factory.mktemp("encoders") / "tiny-bert")


@pytest.fixture(scope="session")
def roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_roberta(tmp_path_factory.mktemp("encoders") / "tiny-roberta")
