"""The alternative design that calls the API while a page is rendered.

Written with care: each call has a timeout, and statuses are polled twice a second.
"""

import io
import time
from typing import Any

import requests
import willow
from wagtail.images.image_operations import FillOperation, FilterOperation, ImageTransform

from wagtail_smart_resize.sandbox.gateway import DEFAULT_KEY

BETWEEN_POLLS = 0.5


class BlockingOperation(FillOperation, FilterOperation):
    """`blocking-1200x675`: a recomposed picture, however long it takes."""

    #: The gateway's URL, and the timeout of each call in seconds.
    base_url = ""
    seconds = 10.0

    def run(self, subject: Any, *context: Any) -> Any:
        if isinstance(subject, ImageTransform):
            return super().run(subject, *context)
        return self._recomposed(subject, *context)

    def _recomposed(self, crop: Any, image: Any, env: dict[str, Any]) -> Any:
        order = {
            "image_url": f"https://www.example.org{image.file.url}",
            "target_sizes": [f"{self.width}x{self.height}"],
            "output_format": "jpeg",
        }
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Ocp-Apim-Subscription-Key"] = DEFAULT_KEY
            url = f"{self.base_url}/smart-resize-request"
            taken = self._json(session.post(url, json=order, timeout=self.seconds))
            done = self._ended(session, taken["polling_url"])
            [picture] = done["output"]["media_url"]
            answer = session.get(picture, timeout=self.seconds)
            answer.raise_for_status()
        recomposed: Any = willow.Image.open(io.BytesIO(answer.content)).auto_orient()
        return recomposed.resize(crop.get_size())

    def _ended(self, session: requests.Session, polling_url: str) -> Any:
        while True:
            time.sleep(BETWEEN_POLLS)
            job = self._json(session.get(polling_url, timeout=self.seconds))
            if job["status"] in {"FAILED", "ERROR"}:
                raise ValueError(job["error"])
            if job["status"] == "COMPLETED":
                return job

    @staticmethod
    def _json(answer: requests.Response) -> Any:
        answer.raise_for_status()
        return answer.json()
