"""One GET with its redirects, the retry policy, and the check that an address is public.

Built on urllib3: it detects a body that is shorter than announced, and, unlike other common libraries, connects to a
given IP address. Addresses found in metadata are untrusted and may lead to the public internet only (``PublicSend``).
"""

from __future__ import annotations

import random
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    LocationValueError,
    NewConnectionError,
)
from urllib3.util import Retry, Timeout, Url, parse_url

from unimp_bench import __version__

TRANSIENT_STATUS = (408, 425, 429)
"""Retryable statuses below 500."""

HEADERS = {"User-Agent": f"unimp-bench/{__version__}", "Accept-Encoding": "identity"}
NAT64 = IPv6Network("64:ff9b::/96")
Send = Callable[[str, Mapping[str, str], Timeout], urllib3.BaseHTTPResponse]
T = TypeVar("T")


class PermanentFailure(Exception):  # noqa: N818 (callers turn it into a user error)
    """A retry would fail in the same way; the argument is the reason."""


class TransientFailure(Exception):  # noqa: N818
    """A retry may succeed.

    Attributes:
        retry_after: seconds to wait, as requested by the server.
        outlook: why there is no further attempt, if there is none.
    """

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after, self.outlook = retry_after, ""


@dataclass(frozen=True)
class RetryPolicy:
    """Timeouts and retries.

    Attributes:
        attempts: consecutive failures without new bytes before giving up.
        connect, read: seconds until a connection, and until the next byte.
        first_pause, max_pause: seconds between attempts, doubled each time.
        max_retry_after: maximum seconds of waiting at a server's request.
        redirects: maximum number followed.
    """

    attempts: int = 6
    connect: float = 15.0
    read: float = 30.0
    first_pause: float = 1.0
    max_pause: float = 60.0
    max_retry_after: float = 600.0
    redirects: int = 10

    def run(self, work: Callable[[], T], advanced: Callable[[], bool] = lambda: False) -> T:
        """Call ``work`` until it succeeds, waiting as requested by the server or by exponential back-off with jitter.

        Args:
            advanced: whether the last attempt received new bytes, so that it counts as the first failure.

        Raises:
            TransientFailure: there is no further attempt, for the reason in ``outlook``.
        """
        failures = 0
        while True:
            try:
                return work()
            except TransientFailure as problem:
                failures = 1 if advanced() else failures + 1
                pause = self.pause(failures, problem.retry_after)
                problem.outlook = self.outlook(failures, pause)
                if problem.outlook:
                    raise
                time.sleep(pause)

    def pause(self, failures: int, retry_after: float | None) -> float:
        """Seconds to wait after this many consecutive failures."""
        backoff = min(self.max_pause, self.first_pause * 2.0 ** (failures - 1))
        return max(retry_after or 0.0, backoff * random.uniform(0.5, 1.0))  # noqa: S311 (spreads clients)

    def outlook(self, failures: int, pause: float) -> str:
        """Why there is no further attempt after this many consecutive failures and such a pause; empty if there is."""
        if failures >= self.attempts:
            return f"given up after {failures} attempts"
        return (
            f"the server requests {pause:.0f} seconds of waiting"
            if pause > max(self.max_retry_after, self.max_pause)
            else ""
        )


def send(url: str, headers: Mapping[str, str], timeout: Timeout) -> urllib3.BaseHTTPResponse:
    """One GET without following redirects, through the proxy of the environment."""
    parts = urlsplit(url)
    proxy = None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)
    manager = urllib3.ProxyManager(proxy) if proxy else urllib3.PoolManager()
    return manager.request(
        "GET", url, headers=headers, timeout=timeout, preload_content=False, redirect=False, retries=False
    )


@contextmanager
def get(
    url: str, policy: RetryPolicy, headers: Mapping[str, str] | None = None, send: Send = send
) -> Iterator[urllib3.BaseHTTPResponse]:
    """The response to a GET, its body not yet read; its status is 200, or 206 or 416 if a range was requested.

    Redirects are followed by the same ``send``.

    Raises:
        PermanentFailure: an invalid address, too many redirects, or a final response.
        TransientFailure: no response, a busy server or a broken response; also errors of reading the body in the block.
    """
    timeout = Timeout(connect=policy.connect, read=policy.read)
    try:
        for _ in range(policy.redirects + 1):
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
        raise PermanentFailure(_reason(error)) from None
    except HTTPError as error:
        raise TransientFailure(_reason(error)) from None
    raise PermanentFailure(f"redirects more than {policy.redirects} times")


def check_scheme(url: str) -> None:
    """Raise PermanentFailure unless this is an http or https address with a host."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise PermanentFailure(f"{url[:200]!r} is not an http or https address")


def _joined(url: str, target: str) -> str:
    try:
        return urljoin(url, target)
    except ValueError:
        raise PermanentFailure(f"redirects to {target[:200]!r}, which is not an address") from None


def _check_status(response: urllib3.BaseHTTPResponse) -> None:
    if response.status in (200, 206, 416):
        return
    reason = f"the server returned {response.status}" + (f" {response.reason}" if response.reason else "")
    if response.status in TRANSIENT_STATUS or response.status >= 500:
        raise TransientFailure(reason, _retry_after(response))
    raise PermanentFailure(reason)


def _retry_after(response: urllib3.BaseHTTPResponse) -> float | None:
    try:
        return Retry().parse_retry_after(response.headers["Retry-After"])
    except (KeyError, InvalidHeader):
        return None


def _reason(error: HTTPError) -> str:
    """The error's message without urllib3's prefix of the connection."""
    message = " ".join(str(error).split())
    return re.sub(r"^HTTPS?Connection(Pool)?\([^)]*\): ", "", message)[:200] or type(error).__name__


class PublicSend:
    """One GET without following redirects, to public addresses only; shared by threads, connections are kept.

    A host is resolved once, its addresses are checked, and the connection goes to the checked address, so that a name
    that resolves differently a moment later cannot bypass the check. The proxy of the environment is not used, since it
    would resolve the name itself.

    Args:
        connections: number kept open per host.
        allow_private: accept any address.
    """

    def __init__(self, connections: int, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._pools = urllib3.PoolManager(num_pools=64, maxsize=connections)

    def __call__(self, url: str, headers: Mapping[str, str], timeout: Timeout) -> urllib3.BaseHTTPResponse:
        """Send the request.

        Raises:
            PermanentFailure: the host has an address that is not public.
            TransientFailure: the host cannot be resolved.
        """
        parts = parse_url(url)
        *others, last = self._addresses(parts)
        for address in others:
            try:
                return self._send(address, parts, headers, timeout)
            except (NewConnectionError, ConnectTimeoutError):
                continue
        return self._send(last, parts, headers, timeout)

    def _addresses(self, parts: Url) -> list[str]:
        host = (parts.host or "").strip("[]")
        try:
            found = socket.getaddrinfo(host, _port(parts), type=socket.SOCK_STREAM)
        except UnicodeError:
            raise PermanentFailure(f"{host!r} is not a host name") from None
        except OSError as error:
            raise TransientFailure(f"{host} cannot be resolved: {error.strerror}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not self._allow_private and not is_public(address):
                raise PermanentFailure(f"{host} is at {address}, which is not a public address")
        return addresses

    def _send(self, address: str, parts: Url, headers: Mapping[str, str], timeout: Timeout) -> urllib3.BaseHTTPResponse:
        host = (parts.host or "").strip("[]")
        name = {"server_hostname": host, "assert_hostname": host} if parts.scheme == "https" else {}
        pool = self._pools.connection_from_host(address, _port(parts), parts.scheme, name)
        return pool.urlopen(
            "GET",
            parts.request_uri,
            headers={**headers, "Host": parts.netloc or host},
            timeout=timeout,
            preload_content=False,
            redirect=False,
            retries=False,
        )


def is_public(address: str) -> bool:
    """Whether this is a public address; an IPv6 address that embeds an IPv4 one is judged by it."""
    parsed = ip_address(address.partition("%")[0])
    embedded = _embedded(parsed) if isinstance(parsed, IPv6Address) else None
    parsed = embedded or parsed
    return parsed.is_global and not parsed.is_multicast


def _embedded(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _port(parts: Url) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
