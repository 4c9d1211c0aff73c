"""Addresses out of metadata are anybody's: they may be followed on the public internet only.

A host is resolved once, its addresses are checked, and the connection goes to the very address that was checked, so
that a name that resolves differently a moment later gains nothing. Redirects pass through here again. The proxy of the
environment is not used: it would resolve the name by itself.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import urllib3
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError
from urllib3.util import Timeout, Url, parse_url

from data_prep.download.http import Again, Final

NAT64 = IPv6Network("64:ff9b::/96")


class PublicSend:
    """One GET without following redirects, to public addresses; shared by threads, and connections are kept.

    Args:
        connections: kept for each host.
        allow_private: take any address.
    """

    def __init__(self, connections: int, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._pools = urllib3.PoolManager(num_pools=64, maxsize=connections)

    def __call__(self, url: str, headers: Mapping[str, str], timeout: Timeout) -> urllib3.BaseHTTPResponse:
        """Send it.

        Raises:
            Final: the host has an address that is not public.
            Again: the host cannot be resolved at this time.
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
            raise Final(f"{host!r} is no name of a host") from None
        except OSError as error:
            raise Again(f"{host} cannot be resolved: {error.strerror}") from None
        addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
        for address in addresses:
            if not self._allow_private and not is_public(address):
                raise Final(f"{host} is at {address}, which is no public address")
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
    """Whether this is an address of the public internet; an IPv6 address that carries an IPv4 one is judged by it."""
    parsed = ip_address(address.partition("%")[0])
    carried = _carried(parsed) if isinstance(parsed, IPv6Address) else None
    parsed = carried or parsed
    return parsed.is_global and not parsed.is_multicast


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)


def _port(parts: Url) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)
