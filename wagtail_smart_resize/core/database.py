"""The database that the app writes to. Whatever a write depends on is read there, too.

A site may read from replicas, which lag: what is read from one may be long out of date.
"""

import contextlib
from collections.abc import Callable, Iterable
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, Self, TypeVar

from django.apps import apps
from django.db import DatabaseError, connections, models, router, transaction
from django.db.models import Case, Q, QuerySet, Value, When

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

    def locked(self, keys: Iterable[Any]) -> Self:
        """Return the rows with these keys so that reading them locks them, in order of the keys.

        All that change several rows in one transaction lock them so, that no two of them wait for
        each other: an UPDATE locks its rows in any order. They are to be found before: by another
        index than that of the keys, MariaDB and MySQL would lock them in the order of that.
        """
        rows = self.filter(pk__in=list(keys)).order_by("pk")
        features = connections[self.db].features
        if not features.has_select_for_update:
            # The whole database has one lock.
            return rows
        return rows.select_for_update(no_key=features.has_select_for_no_key_update)

    def update_in_order(self, where: Q, **changes: Any) -> int:
        """Update those of these rows, several in general, for which `where` holds as well.

        Return their number. They are locked before: see `locked`. `where` may be empty.
        """
        holds = [unindexed(where)] if where else []
        if not connections[self.db].features.has_select_for_update:
            return self.filter(*holds).update(**changes)
        every = type(self)(self.model, using=self.db)
        with transaction.atomic(using=self.db, savepoint=False):
            found = self.values_list("pk", flat=True)
            keys = list(every.locked(found).filter(*holds).values_list("pk", flat=True))
            return every.filter(pk__in=keys).update(**changes)


def unindexed(condition: Q) -> Case:
    """Return the condition of an UPDATE in a form that no index serves.

    MariaDB and MySQL may find a row by the index of a column in the condition, and lock the index
    before the row. A transaction that holds the row and changes that column waits for the index
    lock, so that both wait: a deadlock. If rows are found by their primary key, every transaction
    locks the row first.
    """
    return Case(When(condition, then=Value(True)), default=Value(False))
