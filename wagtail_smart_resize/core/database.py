"""The database that the app writes to. Whatever a write depends on is read there, too.

A site may read from replicas, which lag: what is read from one may be long out of date.
"""

import contextlib
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from django.apps import apps
from django.db import DatabaseError, connections, models, router, transaction
from django.db.models import QuerySet

from .logs import get_logger

if TYPE_CHECKING:
    from tenacity import Retrying

logger = get_logger(__name__)

Row = TypeVar("Row", bound=models.Model)
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

LABEL = "wagtail_smart_resize"


def alias() -> str:
    """Return the alias of the database that holds the app's tables."""
    return router.db_for_write(apps.get_model(LABEL, "Recomposition"))


def atomic() -> contextlib.AbstractContextManager[Any]:
    """Return a transaction, or a savepoint within one, of that database."""
    return transaction.atomic(using=alias())


#: What databases say when they end a transaction for the sake of another: SQLSTATEs of PostgreSQL,
#: numbers of MariaDB and MySQL.
LOST_TO_ANOTHER = frozenset({"40001", "40P01", 1020, 1205, 1213})
#: Number of tries of an action that loses to another transaction each time.
MAX_TRIES = 10


def lost_to_another(error: BaseException) -> bool:
    """Return whether a transaction failed because of another one, so that it may be repeated."""
    cause = error.__cause__
    if not isinstance(error, DatabaseError) or cause is None:
        return False
    code = getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)
    return (code or next(iter(cause.args), None)) in LOST_TO_ANOTHER


def retried(action: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Repeat an action, one transaction, that has lost to another.

    That happens to transactions which touch the same rows, mostly under the isolation levels
    REPEATABLE READ and SERIALIZABLE. Within a transaction of the caller's nothing can be repeated,
    and the error is let through.
    """

    @wraps(action)
    def repeating(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        if connections[alias()].in_atomic_block:
            return action(*args, **kwargs)
        return _tries()(action, *args, **kwargs)

    return repeating


def _tries() -> "Retrying":
    # Imported here, since a process that only shows pages repeats nothing.
    from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

    return Retrying(
        stop=stop_after_attempt(MAX_TRIES),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        retry=retry_if_exception(lost_to_another),
        reraise=True,
    )


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

    def locked(self) -> Self:
        """Return these rows so that reading them locks them, in the order of their keys.

        All that change several rows in one transaction lock them in this order, so that no two of
        them wait for each other.
        """
        features = connections[self.db].features
        if not features.has_select_for_update:
            # The whole database has one lock.
            return self.order_by("pk")
        return self.order_by("pk").select_for_update(
            of=("self",) if features.has_select_for_update_of else (),
            no_key=features.has_select_for_no_key_update,
        )

    def update_in_order(self, **changes: Any) -> int:
        """Update these rows, several in general; return their number. See `locked`.

        An UPDATE alone locks its rows in any order.
        """
        if not connections[self.db].features.has_select_for_update:
            return self.update(**changes)
        with transaction.atomic(using=self.db, savepoint=False):
            keys = list(self.locked().values_list("pk", flat=True))
            return self.model._base_manager.using(self.db).filter(pk__in=keys).update(**changes)
