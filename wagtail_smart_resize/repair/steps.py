"""What is repaired, in which order."""

from . import purchases, renditions, versions, waiting

#: Identity first, then what is live, which tells the keys of renditions.
STEPS = (
    versions.hashes,
    versions.counter,
    purchases.stranded,
    purchases.unstored,
    purchases.overlooked,
    versions.lost,
    versions.outdated,
    renditions.gone,
    renditions.judged,
    purchases.restored,
    purchases.replaced,
    waiting.waiting,
)
