"""The load of an hour, and how much faster the app's clocks run meanwhile.

An hour of a busy site with several editors is played fifteen times as fast. All that people do in
the hour is done, and the app's periodic work is done at least as often as in an hour.
"""

import os
from collections import Counter
from typing import Any

#: Speed in relation to real time.
PACE = 15
#: Hours to play: more for a longer soak, less for a short trial.
HOURS = float(os.environ.get("SOAK_HOURS", "1"))

#: Views of pages. Half of the visitors keep their connection, half open one for each page.
VIEWS = 6_000

#: What editors do; each act is a few requests to the admin.
ACTS = {
    "ask": 120,
    "choose": 160,
    "crop": 60,
    "undo": 40,
    "review": 60,
    "decline": 15,
    "approve_selected": 15,
    "upload": 40,
    "replace": 20,
    "withdraw": 30,
    "delete": 25,
    "report": 60,
    "look": 80,
}
VISITORS = 6
EDITORS = 4

#: The site's photographs are in galleries, each of which exists three times.
GALLERIES = 4
PHOTOS = 6

#: Seconds of the hour that the gateway takes for a picture.
GATEWAY_SECONDS = 30.0
#: Seconds of the hour, in its middle, during which the gateway refuses all submissions.
OUTAGE_SECONDS = 120.0
#: Seconds of the hour between two repairs; by default an hour has one.
REPAIR_SECONDS = 300.0
POLL_SECONDS = 2.5


def views(hours: float = HOURS) -> int:
    return round(VIEWS * hours)


def acts(hours: float = HOURS) -> Counter[str]:
    return Counter({name: max(1, round(count * hours)) for name, count in ACTS.items()})


def speed_up_clocks() -> None:
    """Make the app's intervals in this process shorter by this pace.

    The seconds in which an editor can undo a decision stay: the requests of one act take as long
    as ever, and more decisions are pending at once.
    """
    import datetime as dt

    from wagtail_smart_resize.publishing import publication
    from wagtail_smart_resize.purchasing import circuit, demand, outcomes, waking
    from wagtail_smart_resize.renditions import published_cache
    from wagtail_smart_resize.repair import repairs
    from wagtail_smart_resize.runners import loop, modes

    clocks: list[tuple[Any, str]] = [
        (published_cache.PublishedCache, "REFRESH_SECONDS"),
        (loop, "FOLLOW_AFTER"),
        (loop, "FOLLOWER_REST_SECONDS"),
        (loop, "REST_SECONDS"),
        (loop, "MAX_OVERDUE_REST_SECONDS"),
        (loop, "ERROR_REST_SECONDS"),
        (outcomes, "DEFAULT_PAUSE"),
        (circuit, "PROBE_INTERVAL"),
        (waking, "LOOK_EVERY"),
        (publication, "PURGE_DELAY"),
        (modes, "CHECK_INTERVAL_SECONDS"),
        (demand, "GATHERING_TIME"),
    ]
    for owner, name in clocks:
        setattr(owner, name, getattr(owner, name) / PACE)
    repairs.REPAIR_INTERVAL = dt.timedelta(seconds=REPAIR_SECONDS / PACE)
