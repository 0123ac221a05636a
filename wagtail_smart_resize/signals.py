"""Signals that a site can connect to."""

from django.dispatch import Signal

__all__ = [
    "purchase_completed",
    "purchase_failed",
    "purchase_sent",
    "recomposition_declined",
    "recomposition_failed",
    "recomposition_published",
    "recomposition_ready",
    "recomposition_wanted",
]

#: Sent when a shape is first wanted of this image and file, by a template, a preview or a person.
#: Whether it is bought is not decided yet. `sender` is `Recomposition`; `recomposition` is the row,
#: with `wanted_by` and `asked_by`.
recomposition_wanted = Signal()

#: Sent when a version is there and a person has to decide. `sender` is `Recomposition`;
#: `recomposition` is the row, with `asked_by`.
recomposition_ready = Signal()

#: Sent when a person, or the check against the original, decided for the standard crop. `sender` is
#: `Recomposition`; `recomposition` is the row, with `decision` and `decided_by`.
recomposition_declined = Signal()

#: Sent when a recomposition went live, or was replaced by the standard crop again: visitors see it
#: from now on. `sender` is the image's class; `image` is the image; `changes` is a list of (shape,
#: recipe's name, candidate's file name or "" for the crop).
recomposition_published = Signal()

#: Sent when buying a recomposition failed for good. `sender` is `Recomposition`; `recomposition` is
#: the row, with its `failure_code` and `failure_detail`.
recomposition_failed = Signal()

#: Sent when a request is being sent to the service. `sender` is `GatewayRequest`; `request` is the
#: row, with `outputs_asked` and `cost`, a `Price` or None.
purchase_sent = Signal()

#: Sent when the pictures of a request are stored. `sender` is `GatewayRequest`; `request` is the
#: row; `outputs` is the number of pictures; `seconds` is how long the service took; `cost` is a
#: `Price`, or None where the site has set no price.
purchase_completed = Signal()

#: Sent when a request has come to nothing. `sender` is `GatewayRequest`; `request` is the row, with
#: `charged` ("no", "yes" or "unknown"); `code` is the reason.
purchase_failed = Signal()
