"""Records errors that reached nobody: statements that a database refused, and log lines."""

import logging
from collections import Counter
from collections.abc import Callable
from typing import Any, Self

from django.db import DatabaseError, IntegrityError, connections
from django.db.backends.signals import connection_created


class ErrorRecorder(logging.Handler):
    """Watches all connections and loggers of this process, until the block ends.

    When two processes write the same row at once, one of them meets the unique constraint and reads
    what the other wrote. That is no error, and counted apart.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.refused: Counter[str] = Counter()
        self.met = 0
        self.logged: list[str] = []

    def as_dict(self) -> dict[str, Any]:
        return {"refused": self.refused, "met": self.met, "logged": self.logged}

    def __enter__(self) -> Self:
        logging.getLogger().addHandler(self)
        connection_created.connect(self._watch)
        for connection in connections.all():
            self._watch(connection)
        return self

    def __exit__(self, *exception: object) -> None:
        connection_created.disconnect(self._watch)
        logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Record caught exceptions and warnings: nobody may have got either."""
        self.logged.append(logging.Formatter("%(name)s: %(message)s").format(record))

    def _watch(self, connection: Any, **_signal: object) -> None:
        if self._execute not in connection.execute_wrappers:
            connection.execute_wrappers.append(self._execute)

    def _execute(
        self,
        execute: Callable[..., Any],
        sql: str,
        params: Any,
        many: bool,
        context: dict[str, Any],
    ) -> Any:
        try:
            return execute(sql, params, many, context)
        except IntegrityError:
            self.met += 1
            raise
        except DatabaseError as error:
            self.refused[f"{type(error).__name__}: {error} in {sql[:60]}"] += 1
            raise
