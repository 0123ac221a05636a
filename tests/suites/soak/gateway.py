"""The sandbox, with a list of the submissions that it accepted."""

from typing import Any

from wagtail_smart_resize.sandbox import SandboxGateway


class RecordingGateway(SandboxGateway):
    """Records each submission: an hour has more calls than the sandbox keeps."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.accepted: list[bytes] = []
        self.refused: list[bytes] = []
        self.questions = 0

    def _answer(self, method: str, path: str, headers: Any, body: bytes) -> Any:
        reply, word = super()._answer(method, path, headers, body)
        if method == "POST":
            (self.accepted if reply.status < 300 else self.refused).append(body)
        elif "/status/" in path:
            self.questions += 1
        return reply, word
