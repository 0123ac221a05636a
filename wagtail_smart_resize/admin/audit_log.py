"""Formatters that word audit log entries in the reader's language."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from wagtail.log_actions import LogFormatter

from wagtail_smart_resize.editorial import audit


def _sizes(data: dict[str, Any], name: str = "sizes") -> str:
    """Return the sizes as people write them."""
    return ", ".join(text.replace("x", "×") for text in data.get(name, []))


class AskFormatter(LogFormatter):
    label = gettext_lazy("Ask for AI versions")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        text = _("Asked for AI versions: %(sizes)s") % {"sizes": _sizes(data)}
        more = [f"“{data['prompt']}”" if data.get("prompt") else "", data.get("price", "")]
        return ", ".join([text, *filter(None, more)])


class PublishFormatter(LogFormatter):
    label = gettext_lazy("Publish an AI version")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        parts = []
        if data.get("sizes"):
            parts.append(_("AI version live: %(sizes)s") % {"sizes": _sizes(data)})
        if data.get("cropped"):
            parts.append(_("Crop live: %(sizes)s") % {"sizes": _sizes(data, "cropped")})
        return "; ".join(parts) or str(self.label)


class ChooseFormatter(LogFormatter):
    label = gettext_lazy("Choose an AI version")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        if not data.get("number"):
            return _("Chose an AI version: %(sizes)s") % {"sizes": _sizes(data)}
        names = {"number": data["number"], "sizes": _sizes(data)}
        return _("Chose AI version %(number)d: %(sizes)s") % names


class OwnPixelsFormatter(LogFormatter):
    label = gettext_lazy("Put the photograph's own pixels back")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        names = {"number": data.get("number", 0), "sizes": _sizes(data)}
        return _("Own pixels put back, as AI version %(number)d: %(sizes)s") % names


class DeclineFormatter(LogFormatter):
    label = gettext_lazy("Use the crop")

    def format_message(self, log_entry: Any) -> str:
        data = log_entry.data
        text = _("Decided for the crop: %(sizes)s") % {"sizes": _sizes(data)}
        reason = audit.DECLINE_REASONS.get(data.get("reason", ""), data.get("reason", ""))
        return f"{text}. {reason}" if reason else text


class UndoFormatter(LogFormatter):
    label = gettext_lazy("Undo a decision")

    def format_message(self, log_entry: Any) -> str:
        return _("Undid the last decision: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class CallOffFormatter(LogFormatter):
    label = gettext_lazy("Cancel an AI version")

    def format_message(self, log_entry: Any) -> str:
        return _("Cancelled before it was sent: %(sizes)s") % {"sizes": _sizes(log_entry.data)}


class OptOutFormatter(LogFormatter):
    label = gettext_lazy("Never change the image")

    def format_message(self, log_entry: Any) -> str:
        reason = log_entry.data.get("reason", "")
        if not reason:
            return _("Never to be sent to the service")
        return _("Never to be sent to the service: %(reason)s") % {"reason": reason}


class OptInFormatter(LogFormatter):
    label = gettext_lazy("Allow AI versions")

    def format_message(self, log_entry: Any) -> str:
        return _("May be sent to the service again")


class FailFormatter(LogFormatter):
    label = gettext_lazy("AI version failed")

    def format_message(self, log_entry: Any) -> str:
        return _("An AI version failed (%(code)s): %(sizes)s") % {
            "code": log_entry.data.get("code", ""),
            "sizes": _sizes(log_entry.data),
        }


FORMATTERS: dict[str, type[LogFormatter]] = {
    audit.ASK: AskFormatter,
    audit.PUBLISH: PublishFormatter,
    audit.CHOOSE: ChooseFormatter,
    audit.DECLINE: DeclineFormatter,
    audit.OWN_PIXELS: OwnPixelsFormatter,
    audit.UNDO: UndoFormatter,
    audit.CALL_OFF: CallOffFormatter,
    audit.OPT_OUT: OptOutFormatter,
    audit.OPT_IN: OptInFormatter,
    audit.FAIL: FailFormatter,
}
