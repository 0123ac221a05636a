"""The tick: one short pass on the site's tasks backend, which enqueues the next."""

from django.db import close_old_connections

from wagtail_smart_resize.core.logs import get_logger

from . import compat

logger = get_logger(__name__)


@compat.task(backend=compat.task_backend_alias())
def tick(appointed: str) -> None:
    """Make the pass appointed for this time (ISO 8601), unless another tick has made it."""
    from .runners import embedded_thread, task_chain

    if task_chain.enqueuing_here():
        # The backend runs tasks inline, inside the request that enqueued this one.
        embedded_thread.embedded_thread.wake()
        return
    close_old_connections()
    try:
        task_chain.run_tick(appointed)
    except Exception:
        # The task must not count as failed for good: the next wake starts a new chain.
        logger.exception("A tick failed; the next request starts a new chain of them")
    finally:
        close_old_connections()
