"""The steps of a repair and their order."""

from . import image_collections, moments, purchases, renditions, source_files, versions, waiting

#: Image hashes come first, then what is live, on which the renditions' keys depend.
STEPS = (
    moments.find_ahead,
    versions.find_missing_hashes,
    purchases.find_stranded,
    purchases.find_unstored,
    purchases.find_overlooked,
    image_collections.find_moved,
    source_files.find_left,
    versions.find_lost_versions,
    versions.find_outdated_versions,
    renditions.find_gone,
    renditions.find_stored_renditions,
    purchases.find_restored,
    purchases.find_replaced,
    waiting.find_waiting,
)
