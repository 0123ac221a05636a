"""What a host's name or IP address says about where it is, without a DNS look-up. Pure."""

import ipaddress

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa")


_ALLOCATED_IPV6 = ipaddress.ip_network("2000::/3")


def is_loopback(host: str | None) -> bool:
    """Return whether the host is this machine, judged by its name or address alone."""
    if host == "localhost":
        return True
    address = _address(host)
    return address is not None and address.is_loopback


def is_local(host: str | None) -> bool:
    """Return whether the host's name or address has a meaning on this machine or network only."""
    address = _address(host)
    if address is not None:
        return not address.is_global
    return is_loopback(host) or (host or "").lower().endswith(LOCAL_SUFFIXES)


def is_public(host: str | None) -> bool:
    """Return whether the host is a public internet address, and not one that embeds another.

    Host names return False. All allocated IPv6 addresses lie within 2000::/3. Outside of it are the
    ways of writing IPv4 in IPv6, of which a list of forbidden ranges would never be complete.
    """
    address = _address(host)
    if address is None or address.is_multicast or not address.is_global:
        return False
    return address.version == 4 or address in _ALLOCATED_IPV6


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
