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
    yield partial(versions.find_missing_hashes, image_ids)
    yield partial(purchases.find_overlooked, image_ids)
    yield partial(image_collections.find_moved, image_ids)
    yield partial(versions.find_lost_versions, image_ids)
    yield partial(versions.find_outdated_versions, image_ids)
    yield partial(renditions.find_gone, image_ids)
    yield partial(renditions.find_stored_renditions, image_ids, specs)
    yield partial(purchases.find_restored, image_ids)
    yield partial(purchases.find_replaced, image_ids)
    yield partial(waiting.find_waiting, image_ids)
