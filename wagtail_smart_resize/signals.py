"""What a site can listen to."""

from django.dispatch import Signal

__all__ = [
    "recomposition_declined",
    "recomposition_failed",
    "recomposition_published",
    "recomposition_wanted",
]

#: A shape is wanted that nobody wanted before of this image and file: by a template, a preview or a
#: person. Whether it is bought is not decided yet. `sender` is `Recomposition`; `recomposition`:
#: the row, with `wanted_by` and `asked_by`.
recomposition_wanted = Signal()

#: A person decided for the standard crop. `sender` is `Recomposition`; `recomposition`: the row,
#: with `decided_by`.
recomposition_declined = Signal()

#: A recomposition went live, or gave way to the standard crop again: visitors see it from now on.
#: `sender` is the image's class; `image`; `changes`: a list of (shape, recipe's name, candidate's
#: file name or "" for the crop).
recomposition_published = Signal()

#: Buying a recomposition failed for good. `sender` is `Recomposition`; `recomposition`: the row,
#: with its `failure_code` and `failure_detail`.
recomposition_failed = Signal()
