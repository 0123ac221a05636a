"""How long the gateway usually takes, so that it is asked when its answer is likely."""

import math
import threading
import time

from wagtail_smart_resize.models import GatewayRequest

#: Number of latest requests that are looked at.
RECENT = 20
#: Share of them that had ended by the usual time.
SHARE = 0.75
#: Seconds for which this process relies on what it found.
KEPT_SECONDS = 60.0


class UsualDurations:
    """The usual seconds for each resolution, as this process knows them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        """Look again at the next question."""
        self._known: dict[str, tuple[float, float | None]] = {}

    def learn(self, resolution: str) -> None:
        """Note that a request has just ended: look again if nothing was known."""
        with self._lock:
            if self._known.get(resolution, (0.0, None))[1] is None:
                self._known.pop(resolution, None)

    def seconds(self, resolution: str) -> float | None:
        """Return the seconds within which most recent requests had ended; None for none yet."""
        now = time.monotonic()
        with self._lock:
            known = self._known.get(resolution)
        if known and now < known[0]:
            return known[1]
        found = _look_up(resolution)
        with self._lock:
            self._known[resolution] = now + KEPT_SECONDS, found
        return found


def _look_up(resolution: str) -> float | None:
    ended = GatewayRequest.objects.filter(resolution=resolution, service_seconds__isnull=False)
    recent = ended.order_by("-pk").values_list("service_seconds", flat=True)[:RECENT]
    seconds = sorted(each for each in recent if each is not None)
    return seconds[math.ceil(SHARE * len(seconds)) - 1] if seconds else None


usual_durations = UsualDurations()
