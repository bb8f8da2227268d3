"""Whether an API is on this machine: without a plain yes in the environment nothing is sent anywhere else."""

from __future__ import annotations

import socket
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from urllib3.util import parse_url

from headscope.analysis.consent import given
from headscope.analysis.errors import BackendError, InputError

ALLOW_VARIABLE = "HEADSCOPE_ALLOW_OUTSIDE"
LOCALHOST = "localhost"


def outside_allowed() -> bool:
    """Whether prompts may be sent to other machines: HEADSCOPE_ALLOW_OUTSIDE=yes."""
    return given(ALLOW_VARIABLE)


def host_of(url: str) -> str:
    """The host of an API's base address. Raises InputError for an address that is none, or that two readers of
    addresses read differently; what stands in for a user or password is not shown."""
    example = "it looks like http://127.0.0.1:8000/v1."
    if "@" in url:
        raise InputError(f"an API's address has no user or password in it, because it is stored: {example}")
    try:
        parts, asked = urlsplit(url), parse_url(url).host or ""
        host = parts.hostname or ""
        valid = parts.scheme in {"http", "https"} and host and parts.port != 0
    except ValueError:  # urllib3's is one, too
        valid, host, asked = False, "", ""
    if parts_differ(host, asked) or not valid:
        raise InputError(f"{url!r} is not the address of an API: {example}")
    if parts.query or parts.fragment or "?" in url:
        raise InputError(f"an API's address ends before ? and #, because it is stored: {example}")
    return host


def parts_differ(host: str, asked: str) -> bool:
    """Whether the host that is checked is not the one that would be asked."""
    return host.lower() != asked.strip("[]").lower()


def here(host: str) -> bool:
    """Whether a host is this machine by its name alone: nobody is asked who it is."""
    if host.lower() == LOCALHOST:
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def check(url: str, allowed: bool) -> None:
    """Raises InputError for an address outside this machine unless that is `allowed`. Sends nothing, asks no DNS."""
    host = host_of(url)
    if not allowed and not here(host):
        raise InputError(
            f"{host} is not this machine, and prompts are sent to no other one unless you say so: set "
            f"{ALLOW_VARIABLE}=yes in the environment. A server on this machine is asked as 127.0.0.1."
        )


def check_resolved(url: str, allowed: bool) -> None:
    """Raises BackendError when the name of this machine stands for another one, in its hosts file for instance."""
    host = host_of(url)
    if allowed or host.lower() != LOCALHOST:
        return
    try:
        found = {str(row[4][0]) for row in socket.getaddrinfo(host, None)}
    except OSError:
        return  # then no connection can be made either
    if away := sorted(address for address in found if not here(address)):
        raise BackendError(
            f"{host} is {', '.join(away)} here, which is not this machine: nothing was sent. Ask 127.0.0.1, or set "
            f"{ALLOW_VARIABLE}=yes in the environment."
        )
