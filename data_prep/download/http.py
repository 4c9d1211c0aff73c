"""One GET with its redirects, and how a failure is to be taken: for good, or to be tried again.

Built on urllib3: it says when a body is shorter than announced, and it alone of the usual libraries connects to an
address that was chosen beforehand (``addresses``).
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, LocationValueError
from urllib3.util import Retry, Timeout

from unimp_bench import __version__

BUSY = (408, 425, 429)
"""Answers below 500 that ask to come again."""

HEADERS = {"User-Agent": f"unimp-bench/{__version__}", "Accept-Encoding": "identity"}
Send = Callable[[str, Mapping[str, str], Timeout], urllib3.BaseHTTPResponse]


@dataclass(frozen=True)
class Patience:
    """How long a server is borne with.

    Attributes:
        attempts: how often in a row a request may fail without bringing anything new.
        connect, read: seconds until a connection, and until the next byte.
        first_pause, longest_pause: seconds between attempts, doubled each time.
        longest_wait: the most seconds that a server may ask us to wait.
        redirects: how many are followed.
    """

    attempts: int = 6
    connect: float = 15.0
    read: float = 30.0
    first_pause: float = 1.0
    longest_pause: float = 60.0
    longest_wait: float = 600.0
    redirects: int = 10

    def pause(self, failures: int, asked: float | None) -> float:
        """Seconds to wait after so many failures in a row: what the server asked for, or a back-off with jitter."""
        longest = min(self.longest_pause, self.first_pause * 2.0 ** (failures - 1))
        return max(asked or 0.0, longest * random.uniform(0.5, 1.0))  # noqa: S311 (spreads clients, guards nothing)

    def gives_up(self, failures: int, pause: float) -> bool:
        """Whether to try no more, or not to wait that long."""
        return failures >= self.attempts or pause > max(self.longest_wait, self.longest_pause)


class Final(Exception):  # noqa: N818 (says how a failure is to be taken; callers turn it into an error of the user's)
    """It will fail again in the same way; the argument says why."""


class Again(Exception):  # noqa: N818
    """It may work later; ``asked`` is how many seconds the server wants to be left alone."""

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.asked = asked


def send(url: str, headers: Mapping[str, str], timeout: Timeout) -> urllib3.BaseHTTPResponse:
    """One GET without following redirects, through the proxy that the environment names."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    manager = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
    return manager.request(
        "GET", url, headers=headers, timeout=timeout, preload_content=False, redirect=False, retries=False
    )


@contextmanager
def get(
    url: str, patience: Patience, headers: Mapping[str, str] | None = None, send: Send = send
) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer to a GET, its body not yet read; its status is 200 or, where a range was asked for, 206 or 416.

    Redirects are followed by the same ``send``.

    Raises:
        Final: the address is none, too many redirects, or an answer that will not change.
        Again: no answer, a busy server or a broken one; also what reading the body raises inside the block.
    """
    timeout = Timeout(connect=patience.connect, read=patience.read)
    try:
        for _ in range(patience.redirects + 1):
            check_scheme(url)
            response = send(url, {**HEADERS, **(headers or {})}, timeout)
            try:
                target = response.get_redirect_location()
                if not target:
                    _check_status(response)
                    yield response
                    return
            finally:
                response.close()
            url = _joined(url, target)
    except LocationValueError as error:
        raise Final(_reason(error)) from None
    except HTTPError as error:
        raise Again(_reason(error)) from None
    raise Final(f"redirects more than {patience.redirects} times")


def check_scheme(url: str) -> None:
    """Raise Final unless this is an http or https address with a host."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise Final(f"{url[:200]!r} is no http or https address")


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise Final(f"redirects to {target[:200]!r}, which is no address") from None


def _check_status(response: urllib3.BaseHTTPResponse) -> None:
    if response.status in (200, 206, 416):
        return
    reason = f"the server answers {response.status}" + (f" {response.reason}" if response.reason else "")
    if response.status in BUSY or response.status >= 500:
        raise Again(reason, _retry_after(response))
    raise Final(reason)


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None


def _reason(error: HTTPError) -> str:
    """The error's own words, without the connection that urllib3 puts before them."""
    words = " ".join(str(error).split())
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", words)[:200] or type(error).__name__
