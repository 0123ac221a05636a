"""For ASGI servers that kill their process when they end, as uvicorn does: `atexit` never runs."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["finish_at_shutdown"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def finish_at_shutdown(application: Application) -> Application:
    """Wrap a site's ASGI application, so that what is being sent gets its answer at a deploy.

    It answers the server's lifespan messages, which Django doesn't know: when the server shuts
    down, the embedded thread begins nothing more and is waited for, 5 seconds at the most. All else
    goes to ``application``.
    """

    async def wrapped(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        else:
            await application(scope, receive, send)

    return wrapped


async def _live(receive: Receive, send: Send) -> None:
    # A site's asgi.py imports this module before Django is set up.
    from wagtail_smart_resize.runners.embedded_thread import thread

    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(thread.leave)
    await send({"type": "lifespan.shutdown.complete"})
