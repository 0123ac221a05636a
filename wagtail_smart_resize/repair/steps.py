"""The steps of a repair and their order."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from . import image_collections, moments, purchases, renditions, source_files, versions, waiting
from .report import Finding

#: These go by a state that an index finds: they read what is unfinished, and nothing else.
BY_STATE = (
    moments.find_ahead,
    purchases.find_stranded,
    purchases.find_unstored,
    source_files.find_left,
)


def by_image(
    image_ids: list[Any], specs: renditions.Specs
) -> Iterator[Callable[[], Iterator[Finding]]]:
    """Yield the steps that compare what is recorded of each of these images.

    Image hashes come first, then what is live, on which the renditions' keys depend.
    """
    for find in (
        versions.find_missing_hashes,
        purchases.find_overlooked,
        image_collections.find_moved,
        versions.find_lost_versions,
        versions.find_outdated_versions,
        renditions.find_gone,
        partial(renditions.find_stored_renditions, specs=specs),
        purchases.find_restored,
        purchases.find_replaced,
        waiting.find_waiting,
    ):
        yield partial(find, image_ids)
