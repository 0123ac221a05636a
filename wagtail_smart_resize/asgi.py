"""Shutdown under ASGI servers that kill their process, as uvicorn does: `atexit` never runs."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

__all__ = ["finish_at_shutdown"]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


def finish_at_shutdown(application: Application) -> Application:
    """Wrap a site's ASGI application so that a gateway request being sent survives a deploy.

    The wrapper answers the server's lifespan messages, which Django does not support: when the
    server shuts down, the embedded thread starts no further step and is waited for, 5 seconds at
    most, and 20 more while a request is being sent. Everything else is passed to ``application``.
    """

    async def wrapped(scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
        else:
            await application(scope, receive, send)

    return wrapped


async def _run_lifespan(receive: Receive, send: Send) -> None:
    # Imported here, since a site's asgi.py imports this module before Django is set up.
    from wagtail_smart_resize.runners.embedded_thread import embedded_thread

    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await asyncio.to_thread(embedded_thread.leave)
    await send({"type": "lifespan.shutdown.complete"})
