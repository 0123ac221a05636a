"""Messages for editors about failures and their remedies, by the pipeline's codes."""

import re
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.rules.verdict import Reason


class Failure(NamedTuple):
    """What happened (`message`) and what a person can do (`remedy`, "" if only Retry)."""

    message: Text
    remedy: Text = ""


_SERVICE_TROUBLE = Failure(
    _("The service had a problem of its own."),
    _("Nothing is wrong with the picture. Try again later."),
)
_PICTURE_LOST = Failure(
    _("The picture was made, but could not be fetched from the service."),
    _("It may have been charged. Trying again buys a new one."),
)
_NOT_USABLE = Failure(
    _("What the service sent could not be used as a picture."),
    _("It may have been charged. Trying again buys a new one."),
)
_SITE_CLOSED = Failure(
    _("The service could not get the image from this site."),
    _("Tell the people who run the site: its address must be open to the service."),
)
_FILE_BROKEN = Failure(
    _("The image's file can't be read."),
    _("Upload the image again, then try again."),
)
_UNREACHABLE = Failure(
    _("The service can't be reached, or its answers can't be read."),
    _("It is tried again from time to time. If it lasts, tell the people who run the site."),
)
_NO_ACCESS = Failure(
    _("The service does not accept the site's key, or its balance is used up."),
    _("Tell the people who run the site. Once that is settled, try again."),
)

_FAILURES: dict[str, Failure] = {
    "unknown": Failure(
        _(
            "The connection broke after the picture had been asked for: nobody knows whether it "
            "was made and charged."
        ),
        _("Nothing is bought again by itself. You decide how to go on."),
    ),
    "failed": Failure(
        _("The service could not recompose the picture."),
        _("Change the instruction, or try again: another attempt may succeed."),
    ),
    "error": _SERVICE_TROUBLE,
    "deadline": Failure(
        _("The service did not finish in time."),
        _("Look again in a while: it may be ready by then. Trying again buys a new one."),
    ),
    "empty": Failure(
        _("The service said that it was done, but sent no picture."),
        _("It may have been charged. Trying again buys a new one."),
    ),
    "missing": Failure(
        _("The service sent no picture of this shape."),
        _("It may have been charged. Trying again buys a new one."),
    ),
    "not_a_picture": _NOT_USABLE,
    "truncated": _NOT_USABLE,
    "too_large": _NOT_USABLE,
    "too_many_pixels": _NOT_USABLE,
    "out_of_memory": _NOT_USABLE,
    "compressed": _NOT_USABLE,
    "forbidden_address": _PICTURE_LOST,
    "redirects": _PICTURE_LOST,
    "timeout": _PICTURE_LOST,
    "connection": _PICTURE_LOST,
    "gone": _PICTURE_LOST,
    "unreadable": _FILE_BROKEN,
    "file_missing": _FILE_BROKEN,
    "storage": Failure(
        _("The site's storage did not give the image's file."),
        _("Try again later. If that does not help, tell the people who run the site."),
    ),
    "no_address": _SITE_CLOSED,
    "no_urls": _SITE_CLOSED,
    "source_html": _SITE_CLOSED,
    "source_redirects": _SITE_CLOSED,
    "bad_key": _NO_ACCESS,
    "http_400": Failure(
        _("The service refused the picture or the instruction."),
        _("Change the instruction, or use another picture, then try again."),
    ),
    "http_413": Failure(
        _("The picture is too large for the service."),
        _("Upload a smaller version of the image, then try again."),
    ),
}
_FAMILIES: tuple[tuple[str, Failure], ...] = (
    (r"source_\d+", _SITE_CLOSED),
    (r"result_\d+", _PICTURE_LOST),
    (r"http_40[1234]", _NO_ACCESS),
    (r"http_4\d\d", _FAILURES["http_400"]),
    (r"http_5\d\d", _SERVICE_TROUBLE),
)
_CIRCUIT: tuple[tuple[str, Failure], ...] = (
    (r"bad_key|http_40[1234]", _NO_ACCESS),
    (r"no_address|no_urls|source_.+", _SITE_CLOSED),
    (r"http_429", Failure(_("The service asked for a pause."))),
    (r"http_5\d\d|error", _SERVICE_TROUBLE),
)
_OTHER = Failure(_("The picture could not be recomposed."), _("Try again."))
_OUTDATED = Failure(
    _("The image was changed before it was sent: nothing was bought."),
    _("Try again, with the image as it is now."),
)


def describe(code: str, detail: str = "") -> Failure:
    """Return the failure for the code and detail of a recomposition or a gateway request."""
    if code == "withdrawn":
        return _withdrawn(detail)
    if code in _FAILURES:
        return _FAILURES[code]
    return next((known for form, known in _FAMILIES if re.fullmatch(form, code)), _OTHER)


def describe_circuit(code: str) -> Failure:
    """Return why nothing is sent to the service for now, or why the last attempt failed.

    Some codes are also those of a picture that could not be fetched. Here they are about the
    service as a whole.
    """
    known = (failure for form, failure in _CIRCUIT if re.fullmatch(form, code))
    return next(known, _UNREACHABLE)


def _withdrawn(reason: str) -> Failure:
    """Return the failure for a request withdrawn before it was sent.

    `reason` is a rule's, or "outdated".
    """
    if reason not in {each.value for each in Reason}:
        return _OUTDATED
    message = _("It was not sent, and nothing was bought: %(reason)s.")
    return Failure(message % {"reason": Reason(reason).label})
