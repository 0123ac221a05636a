"""What a host's name says about where it is, without asking anybody. Pure."""

import ipaddress

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa")


_HANDED_OUT = ipaddress.ip_network("2000::/3")


def is_loopback(host: str | None) -> bool:
    """Whether the host is this machine, by its name alone."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_local(host: str | None) -> bool:
    """Whether the host's name or address means something on this machine or network only."""
    address = _address(host)
    if address is not None:
        return not address.is_global
    return is_loopback(host) or (host or "").lower().endswith(LOCAL_SUFFIXES)


def is_public(host: str | None) -> bool:
    """Whether this is an address on the internet, and no other address in the coat of one.

    All of IPv6 that is handed out lies within 2000::/3. Elsewhere are the ways to write IPv4 in
    IPv6, for which a list of those that are forbidden would never be complete.
    """
    address = _address(host)
    if address is None or address.is_multicast or not address.is_global:
        return False
    return address.version == 4 or address in _HANDED_OUT


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
