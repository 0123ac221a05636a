"""The database that the app writes to. Whatever a write depends on is read there, too.

A site may read from replicas, which lag: what is read from one may be long out of date.
"""

import contextlib
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from django.apps import apps
from django.db import connections, models, router, transaction
from django.db.models import QuerySet

logger = logging.getLogger(__name__)

Row = TypeVar("Row", bound=models.Model)

LABEL = "wagtail_smart_resize"


def alias() -> str:
    """Return the alias of the database that holds the app's tables."""
    return router.db_for_write(apps.get_model(LABEL, "Recomposition"))


def atomic() -> contextlib.AbstractContextManager[Any]:
    """Return a transaction, or a savepoint within one, of that database."""
    return transaction.atomic(using=alias())


def on_commit(function: Callable[[], object]) -> None:
    """Call the function when that database's transaction has been committed; log what it raises.

    This is called where others' code runs, such as a page's publication, and some packages replace
    Django's function by one that takes less. The connection's own is left alone.
    """

    def guarded() -> None:
        try:
            function()
        except Exception:
            logger.exception("What was to be done after a commit failed")

    connections[alias()].on_commit(guarded)


def primary(rows: Any) -> Any:
    """Return a manager's or query set's rows as they are where its model is written."""
    return rows.using(router.db_for_write(rows.model))


def site_images(*, with_hidden: bool = False) -> QuerySet[Any]:
    """Return the images of the site's model.

    `with_hidden`: also those that a default manager of the site's own leaves out.
    """
    from wagtail.images import get_image_model

    model = get_image_model()
    manager = model._base_manager if with_hidden else model._default_manager
    return primary(manager)


def site_renditions() -> QuerySet[Any]:
    """Return the renditions of the site's images."""
    from wagtail.images import get_image_model

    return primary(get_image_model().get_rendition_model()._default_manager)


class PrimaryQuerySet(QuerySet[Row]):
    """Reads from the database that the rows are written to, unless it is told another."""

    def __init__(
        self, model: Any = None, query: Any = None, using: str | None = None, hints: Any = None
    ) -> None:
        if using is None and model is not None:
            using = router.db_for_write(model)
        super().__init__(model, query, using, hints)
