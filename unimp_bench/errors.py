"""Errors a user can cause. Each is one line that says what is wrong and what to do, with its own exit code.

The command line prints the message and leaves with ``exit_code``; anything else that escapes is a defect of
the project and keeps its traceback.
"""


class BenchError(Exception):
    """Base of every error that is reported as one line, without a traceback."""

    exit_code = 1


class UsageError(BenchError):
    """A name, option or value that the user gave is not one we know."""

    exit_code = 2


class DataError(BenchError):
    """A file or folder from outside is missing, damaged or not what it should be."""

    exit_code = 3


class DependencyError(BenchError):
    """An optional package or resource that the request needs is not installed."""

    exit_code = 4


class ModelError(BenchError):
    """A model broke its contract: NaN scores, a wrong shape, a failed training."""

    exit_code = 5


class BusyError(UsageError):
    """Another process works on the same run, fit or cache; the same request can be made later."""

    exit_code = 6
