"""A strict Content-Security-Policy on our screens, as the strictest sites have it."""

import re
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

POLICY = "default-src 'self'; img-src 'self' data: blob:"
OURS = re.compile(r"^/admin/(images/\d+/smart-resize/|reports/smart-resize/|bulk/.*/smart_resize/)")

#: Put into every document before its own scripts: what the policy kept from running.
LISTENER = """
window.smartResizeViolations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  const { violatedDirective, blockedURI, sourceFile, lineNumber, sample } = event;
  window.smartResizeViolations.push(
    [violatedDirective, blockedURI, sourceFile, lineNumber, sample].join(" ")
  );
});
"""


def middleware(get_response: Callable) -> Callable[[HttpRequest], HttpResponse]:
    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if OURS.match(request.path):
            response["Content-Security-Policy"] = POLICY
        return response

    return answer
