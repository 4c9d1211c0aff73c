"""What libraries warn of stays off the terminal: a reader looks there for what unimp-bench has to say.

``PYTHONWARNINGS`` or ``python -W`` show it all, and each variable below its part.
"""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LEVELS = {
    "TRANSFORMERS_VERBOSITY": "error",
    "DIFFUSERS_VERBOSITY": "error",
    "HF_HUB_VERBOSITY": "error",
    "TORCH_CPP_LOG_LEVEL": "ERROR",
}


@contextmanager
def quiet_libraries() -> Iterator[None]:
    """Within the block, which imports the libraries, no warning is shown and no library's log line; errors are."""
    if sys.warnoptions:
        yield
        return
    levels = dict(_LEVELS)
    if not sys.stderr.isatty():
        levels["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # transformers' bars too; a log keeps every state
    own = [name for name in levels if name not in os.environ]
    os.environ.update({name: levels[name] for name in own})
    handler = logging.NullHandler()  # without one, logging writes warnings to the terminal by itself
    logging.getLogger().addHandler(handler)
    try:
        with warnings.catch_warnings():
            # Not a filter: libraries put theirs in front of it when they are imported.
            warnings.showwarning = lambda *_, **__: None
            yield
    finally:
        logging.getLogger().removeHandler(handler)
        for name in own:
            os.environ.pop(name, None)
