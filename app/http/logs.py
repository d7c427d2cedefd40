"""How the process logs: JSON lines whose fields are on a list, so that nobody's words slip in with a new field."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from pathlib import PurePath
from typing import Any, TextIO

import structlog

ALLOWED_FIELDS = frozenset(
    {
        "event",
        "level",
        "timestamp",
        "logger",
        "request_id",
        "door",
        "method",
        "route",
        "status",
        "ms",
        "error",
        "place",
        "network",
        "reason",
        "code",
        "count",
        "attempts",
        "name",
        "host",
        "port",
        "job",
        "topic",
        "channel",
        "actor",
        "actor_id",
        "agent_id",
        "case_id",
        "conversation_id",
        "attempt_id",
        "binding_id",
        "export_id",
        "job_id",
        "key_id",
        "size",
        "seconds",
        "version",
        "dropped",
    }
)


def only_allowed_fields(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop all other fields (a structlog processor); the line says how many went."""
    allowed = {name: value for name, value in event.items() if name in ALLOWED_FIELDS}
    if len(allowed) < len(event):
        allowed["dropped"] = len(event) - len(allowed)
    return allowed


class LibraryLines(logging.Handler):
    """Libraries' own messages: who, how serious and where, never the text, which may quote a request or a row."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line for `record`."""
        fields = {"logger": record.name, "place": f"{PurePath(record.pathname).name}:{record.lineno}"}
        if record.exc_info and record.exc_info[0]:
            fields["error"] = record.exc_info[0].__name__
        structlog.get_logger("riserbo.library").log(max(record.levelno, logging.INFO), "library_message", **fields)


def configure_logging(stream: TextIO, level: int = logging.INFO) -> None:
    """Send all logging of the process to `stream`; called once by the composition root."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            only_allowed_fields,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    root.handlers[:] = [LibraryLines(level=max(level, logging.WARNING))]
    root.setLevel(logging.WARNING)
    # at DEBUG it writes the tokens that it handles, whatever the level of the rest
    logging.getLogger("authlib").setLevel(logging.INFO)
