"""Logs as JSON, one object a line, to standard error or a file."""

import logging
import sys
from typing import TextIO

import structlog


def configure(stage: str, stream: TextIO = sys.stderr) -> None:
    """Log as JSON from here on; every line names its stage."""
    structlog.configure(
        processors=[
            _name_the_stage(stage),
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(handlers=[_Forward()], level=logging.WARNING, force=True)


def _name_the_stage(stage: str) -> structlog.typing.Processor:
    def add(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
        line.setdefault("stage", stage)
        return line

    return add


class _Forward(logging.Handler):
    """Gives what libraries log through `logging` the same shape."""

    def emit(self, record: logging.LogRecord) -> None:
        structlog.get_logger().log(
            record.levelno, record.getMessage(), logger=record.name, exc_info=record.exc_info
        )
