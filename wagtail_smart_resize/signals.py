"""What a site can listen to."""

from django.dispatch import Signal

#: A recomposition went live, or gave way to the standard crop again: visitors see it from now on.
#: `sender` is the image's class; `image`; `changes`: a list of (shape, recipe's name, candidate's
#: file name or "" for the crop).
recomposition_published = Signal()

#: Buying a recomposition failed for good. `sender` is `Recomposition`; `recomposition`: the row,
#: with its `failure_code` and `failure_detail`.
recomposition_failed = Signal()
