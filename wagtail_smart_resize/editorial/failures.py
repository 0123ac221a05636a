"""Messages for editors about failures and their remedies, by the pipeline's codes."""

import re
from typing import NamedTuple

from django.utils.translation import gettext_lazy as _

from wagtail_smart_resize.core.formatting import Text
from wagtail_smart_resize.rules.verdict import Reason
from wagtail_smart_resize.settings import settings


class Failure(NamedTuple):
    """What happened (`message`), what an editor can do (`remedy`, "" if only Retry) and what those
    who run the site can do (`for_operators`, "" if the same)."""

    message: Text
    remedy: Text = ""
    for_operators: Text = ""


_SERVICE_TROUBLE = Failure(
    _("The service had a problem of its own."),
    _("Nothing is wrong with the image. Try again later."),
)
_PICTURE_LOST = Failure(
    _("The AI version was made, but could not be fetched from the service."),
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
_STORAGE_CLOSED = Failure(
    _("The image can't be put where the service fetches it."),
    _("Tell the people who run the site: the storage of source pictures must work."),
)
_FILE_BROKEN = Failure(
    _("The image's file can't be read."),
    _("Upload the image again, then try again."),
)
_FAILURES: dict[str, Failure] = {
    "unknown": Failure(
        _(
            "The connection broke after the AI version had been asked for: nobody knows whether it "
            "was made and charged."
        ),
        _("Nothing is bought again by itself. You decide how to go on."),
    ),
    "failed": Failure(
        _("The service could not make the AI version."),
        _("Change the prompt, or try again: another attempt may succeed."),
    ),
    "error": _SERVICE_TROUBLE,
    "deadline": Failure(
        _("The service did not finish in time."),
        _("Look again in a while: it may be ready by then. Trying again buys a new one."),
    ),
    "empty": Failure(
        _("The service said that it was done, but sent no AI version."),
        _("It may have been charged. Trying again buys a new one."),
    ),
    "missing": Failure(
        _("The service sent no AI version for this place."),
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
    "source_storage": _STORAGE_CLOSED,
    "http_400": Failure(
        _("The service refused the image or the prompt."),
        _("Change the prompt, or use another image, then try again."),
    ),
    "http_413": Failure(
        _("The image or the prompt is too large for the service."),
        _("Upload a smaller version of the image, or shorten the prompt, then try again."),
    ),
}
_FAMILIES: tuple[tuple[str, Failure], ...] = (
    (r"source_\d+", _SITE_CLOSED),
    (r"result_\d+", _PICTURE_LOST),
    (r"http_4\d\d", _FAILURES["http_400"]),
    (r"http_5\d\d", _SERVICE_TROUBLE),
)
_TELL_OPERATORS = _(
    "Tell the people who run the site. It goes on by itself as soon as that is settled."
)
_IF_IT_LASTS = _("It goes on by itself. If it lasts, tell the people who run the site.")
_CIRCUIT: tuple[tuple[str, Failure], ...] = (
    (
        "bad_key",
        Failure(
            _("The site's key for the service is empty, or has characters that no key may have."),
            _TELL_OPERATORS,
            _("Correct API_KEY, then restart the site."),
        ),
    ),
    (
        "http_401",
        Failure(
            _("The service does not accept the site's key."),
            _TELL_OPERATORS,
            _("Set API_KEY to a key that the service has given you, then restart the site."),
        ),
    ),
    (
        "http_402",
        Failure(
            _("The balance of the site's account with the service is used up."),
            _TELL_OPERATORS,
            _("Top up the account. What waits goes on by itself."),
        ),
    ),
    (
        "http_403",
        Failure(
            _("The service forbids this to the site's key."),
            _TELL_OPERATORS,
            _("Ask the service what the key may do, and whether the balance is used up."),
        ),
    ),
    (
        r"http_4(04|05|10)",
        Failure(
            _("There is nothing that makes AI versions at the service's address."),
            _TELL_OPERATORS,
            _(
                "Most likely BASE_URL is wrong: it is %(base_url)s. Correct it, or leave it out, "
                "then restart the site."
            ),
        ),
    ),
    (
        "source_storage",
        _STORAGE_CLOSED._replace(
            for_operators=_("The detail says what is wrong with SOURCE_STORAGE: mend that.")
        ),
    ),
    (
        r"no_address|no_urls|source_.+",
        _SITE_CLOSED._replace(
            for_operators=_("The detail says what was found at an image's address: mend that.")
        ),
    ),
    (
        "not_fetched",
        Failure(
            _("One image after the other has failed, and the service fetched none of them."),
            _TELL_OPERATORS,
            _(
                "Most likely the service can't reach this site at %(site_url)s. Open that address "
                "to it, or set SOURCE_BASE_URL to one that is open."
            ),
        ),
    ),
    (
        "failing",
        Failure(
            _("One image after the other has failed."),
            _TELL_OPERATORS,
            _(
                "The detail has the service's own words. If they don't help, ask the service. Is "
                "%(site_url)s open to it?"
            ),
        ),
    ),
    (r"http_429", Failure(_("The service asked for a pause."))),
    (
        r"http_50[03]|error",
        Failure(
            _("The service says that it is out of order."),
            _IF_IT_LASTS,
            _("Wait: one request after the other tries again by itself."),
        ),
    ),
    (
        r"dns|refused|tls|no_connection|timeout|bad_url",
        Failure(
            _("The service can't be reached."),
            _IF_IT_LASTS,
            _(
                "Can this machine reach %(base_url)s? A proxy for https is taken from the "
                "environment."
            ),
        ),
    ),
)
_UNREADABLE_ANSWERS = Failure(
    _("The service's answers can't be read."),
    _IF_IT_LASTS,
    _(
        "Is %(base_url)s really the service? Look at the purchases of unknown outcome before you "
        "go on: they may have been charged."
    ),
)
_OTHER = Failure(_("The AI version could not be made."), _("Try again."))
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
    found = next(known, _UNREADABLE_ANSWERS)
    addresses = {"base_url": settings.BASE_URL, "site_url": settings.source_place}
    return found._replace(for_operators=str(found.for_operators) % addresses)


def _withdrawn(reason: str) -> Failure:
    """Return the failure for a request withdrawn before it was sent.

    `reason` is a rule's, or "outdated".
    """
    if reason not in {each.value for each in Reason}:
        return _OUTDATED
    message = _("It was not sent, and nothing was bought: %(reason)s.")
    return Failure(message % {"reason": Reason(reason).label})
