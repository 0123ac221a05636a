"""Deletes source pictures from `SOURCE_STORAGE` once nobody may fetch them any more."""

from typing import TYPE_CHECKING

from wagtail_smart_resize.core import database
from wagtail_smart_resize.core.logs import get_logger
from wagtail_smart_resize.core.storage_errors import StorageError, translate_storage_errors
from wagtail_smart_resize.settings import settings

if TYPE_CHECKING:
    from .gateway_request import GatewayRequest

logger = get_logger(__name__)


def delete(request: "GatewayRequest") -> None:
    """Delete the request's source picture and forget its name.

    Raise StorageError if the storage fails, or the settings do not name it any more. Then the row
    keeps the name, for another try.
    """
    name = request.source_file
    if not name:
        return
    with translate_storage_errors():
        settings.source_storage().delete(name)
    request.update_if(where={"source_file": name}, source_file="")


def delete_on_commit(request: "GatewayRequest") -> None:
    """Delete the request's source picture when the transaction is committed.

    What the storage raises is logged; a repair tries again. The log does not name the file: in a
    public storage its name is all that one needs.
    """
    if request.source_file:
        database.on_commit(lambda: _delete_or_log(request))


def _delete_or_log(request: "GatewayRequest") -> None:
    try:
        delete(request)
    except StorageError:
        logger.exception("Can't delete the source picture of request %s yet", request.pk)
