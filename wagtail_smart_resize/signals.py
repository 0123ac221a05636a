"""Signals that a site can connect to."""

from django.dispatch import Signal

__all__ = [
    "recomposition_declined",
    "recomposition_failed",
    "recomposition_published",
    "recomposition_wanted",
]

#: Sent when a shape is first wanted of this image and file, by a template, a preview or a person.
#: Whether it is bought is not decided yet. `sender` is `Recomposition`; `recomposition` is the row,
#: with `wanted_by` and `asked_by`.
recomposition_wanted = Signal()

#: Sent when a person decided for the standard crop. `sender` is `Recomposition`; `recomposition` is
#: the row, with `decided_by`.
recomposition_declined = Signal()

#: Sent when a recomposition went live, or was replaced by the standard crop again: visitors see it
#: from now on. `sender` is the image's class; `image` is the image; `changes` is a list of (shape,
#: recipe's name, candidate's file name or "" for the crop).
recomposition_published = Signal()

#: Sent when buying a recomposition failed for good. `sender` is `Recomposition`; `recomposition` is
#: the row, with its `failure_code` and `failure_detail`.
recomposition_failed = Signal()
