"""What a host's name says about where it is, without asking anybody. Pure."""

import ipaddress

LOCAL_SUFFIXES = (".localhost", ".local", ".internal", ".test", ".lan", ".home.arpa")


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


def _address(host: str | None) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host or "")
    except ValueError:
        return None
