"""Warnings of libraries are hidden unless requested."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings

import pytest

from unimp_bench.cli.main import quiet_libraries

SCRIPT = """\
import logging, sys, warnings
from unimp_bench.cli import main as module

def work(*_, **__):
    import numpy as np, torch, transformers
    np.float64(1) / np.float64(0)
    warnings.simplefilter("always")
    warnings.warn("changed filters", UserWarning)
    logging.getLogger("somewhere").warning("a log line")
    logging.warning("a log line by the root")
    transformers.utils.logging.get_logger("transformers").warning("advice")
    print("answer")

module.root.main = work
module.main([])
"""


def said(*options: str) -> tuple[str, str]:
    run = subprocess.run([sys.executable, *options, "-c", SCRIPT], capture_output=True, text=True, check=True)
    return run.stdout, run.stderr


def test_library_warnings_are_hidden() -> None:
    assert said() == ("answer\n", "")


def test_library_warnings_are_shown_on_request() -> None:
    _, err = said("-W", "default")
    for words in ("divide by zero", "changed filters", "a log line", "advice"):
        assert words in err


def test_library_errors_are_shown_and_the_state_is_restored(capsys: pytest.CaptureFixture[str]) -> None:
    shown, handlers = warnings.showwarning, list(logging.getLogger().handlers)
    with quiet_libraries():
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning):
                warnings.warn("an error now", UserWarning, stacklevel=1)
        warnings.warn("not heard", UserWarning, stacklevel=1)
    assert warnings.showwarning is shown and logging.getLogger().handlers == handlers
    assert capsys.readouterr() == ("", "")
