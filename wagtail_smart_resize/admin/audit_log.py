"""Formatters that word audit log entries in the reader's language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.log_actions import LogFormatter

from wagtail_smart_resize.editorial import audit


def _sizes(data: dict[str, Any]) -> str:
    return ", ".join(data.get("sizes", []))


class AskFormatter(LogFormatter):
    label = gettext_lazy("Ask for a recomposition")

    def format_message(self, log_entry: Any) -> str:
        return _("Asked for a recomposition: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class PublishFormatter(LogFormatter):
    label = gettext_lazy("Publish a recomposition")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        parts = []
        if data.get("sizes"):
            parts.append(_("Live: a recomposed picture for %(sizes)s") % {"sizes": _sizes(data)})
        if data.get("cropped"):
            sizes = ", ".join(data["cropped"])
            parts.append(_("Live: the standard crop for %(sizes)s") % {"sizes": sizes})
        return "; ".join(parts) or str(self.label)


class ChooseFormatter(LogFormatter):
    label = gettext_lazy("Choose a recomposition")

    def format_message(self, log_entry: Any) -> str:
        return _("Chose a recomposed picture: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class DeclineFormatter(LogFormatter):
    label = gettext_lazy("Use the standard crop")

    def format_message(self, log_entry: Any) -> str:
        return _("Decided for the standard crop: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class CallOffFormatter(LogFormatter):
    label = gettext_lazy("Call off a recomposition")

    def format_message(self, log_entry: Any) -> str:
        return _("Called off before it was sent: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class OptOutFormatter(LogFormatter):
    label = gettext_lazy("Opt out of recomposition")

    def format_message(self, log_entry: Any) -> str:
        reason = log_entry.data.get("reason", "")
        if not reason:
            return _("Never to be sent to the service")
        return _("Never to be sent to the service: %(reason)s") % {"reason": reason}


class OptInFormatter(LogFormatter):
    label = gettext_lazy("Allow recomposition")

    def format_message(self, log_entry: Any) -> str:
        return _("May be sent to the service again")


class FailFormatter(LogFormatter):
    label = gettext_lazy("Recomposition failed")

    def format_message(self, log_entry: Any) -> str:
        return _("A recomposition failed (%(code)s): %(sizes)s") % {
            "code": log_entry.data.get("code", ""),
            "sizes": _sizes(log_entry.data),
        }


FORMATTERS: dict[str, type[LogFormatter]] = {
    audit.ASK: AskFormatter,
    audit.PUBLISH: PublishFormatter,
    audit.CHOOSE: ChooseFormatter,
    audit.DECLINE: DeclineFormatter,
    audit.CALL_OFF: CallOffFormatter,
    audit.OPT_OUT: OptOutFormatter,
    audit.OPT_IN: OptInFormatter,
    audit.FAIL: FailFormatter,
}
