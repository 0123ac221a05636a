"""Secrets that stay so where an error is reported: reports print local variables by ``repr``."""


class Secret(str):
    """Text whose ``repr`` does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[key]'"


class Unusable:
    """Stands for a key that is no text, such as bytes."""

    def __repr__(self) -> str:
        return "[key]"


def hidden(key: object) -> Secret | Unusable:
    """The key, or what stands for one that no header could carry."""
    return Secret(key) if isinstance(key, str) else Unusable()
