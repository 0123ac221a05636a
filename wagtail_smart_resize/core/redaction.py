"""Keys that stay secret in error reports, which print local variables by ``repr``."""


class Secret(str):
    """Text whose ``repr`` does not show it."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'[key]'"


class Unusable:
    """Placeholder for a key that is not text, such as bytes."""

    def __repr__(self) -> str:
        return "[key]"


def redacted(key: object) -> Secret | Unusable:
    """Return a Secret, or an Unusable for a key that is not text and so fits into no header."""
    return Secret(key) if isinstance(key, str) else Unusable()
