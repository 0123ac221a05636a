"""What an hour is: what people do in it, and how fast the clocks of the app go meanwhile.

An hour of a busy site with a desk of editors is played fifteen times as fast. All that people do in
the hour is done, and all that the app does by the clock it does at least as often as in an hour.
"""

import os
from collections import Counter
from typing import Any

#: So many times as fast as the clock on the wall.
PACE = 15
#: For a longer soak, or a short trial.
HOURS = float(os.environ.get("SOAK_HOURS", "1"))

#: Pages that visitors look at. Half of them keep their connection, half open one for each page.
VIEWS = 6_000

#: What editors do at their desks; each is a few requests to the admin.
ACTS = {
    "ask": 120,
    "choose": 160,
    "crop": 60,
    "review": 90,
    "upload": 40,
    "replace": 20,
    "withdraw": 30,
    "delete": 25,
    "report": 60,
    "look": 80,
}
VISITORS = 6
EDITORS = 4

#: The site: photographs in galleries, each of which is there three times.
GALLERIES = 4
PHOTOS = 6

#: How long the gateway takes for a picture, seconds of the hour.
GATEWAY_SECONDS = 30.0
#: In the middle of the hour it refuses all submissions for so long, seconds of the hour.
OUTAGE_SECONDS = 120.0
#: Repair is done this often; in an hour it would be once.
REPAIR_SECONDS = 300.0
POLL_SECONDS = 2.5


def views(hours: float = HOURS) -> int:
    return round(VIEWS * hours)


def acts(hours: float = HOURS) -> Counter[str]:
    return Counter({name: max(1, round(count * hours)) for name, count in ACTS.items()})


def quicken() -> None:
    """Let the app's clocks go at this hour's pace, in this process."""
    import datetime as dt

    from wagtail_smart_resize.publishing import publication
    from wagtail_smart_resize.purchasing import demand, outcomes
    from wagtail_smart_resize.renditions import published_cache
    from wagtail_smart_resize.repair import repairs
    from wagtail_smart_resize.runners import loop, modes

    clocks: list[tuple[Any, str]] = [
        (published_cache.PublishedCache, "REFRESH_SECONDS"),
        (loop, "NEAR"),
        (loop, "REST"),
        (loop, "LONG_REST"),
        (loop, "TROUBLE"),
        (outcomes, "DEFAULT_PAUSE"),
        (outcomes, "PROBE_INTERVAL"),
        (publication, "PURGE_DELAY"),
        (modes, "CHECK_INTERVAL"),
        (demand, "GATHERING"),
    ]
    for owner, name in clocks:
        setattr(owner, name, getattr(owner, name) / PACE)
    repairs.REPAIR_INTERVAL = dt.timedelta(seconds=REPAIR_SECONDS / PACE)
