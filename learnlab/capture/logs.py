"""What capture logs: `logging.getLogger("learnlab.capture")`, no line of which holds a secret."""

from __future__ import annotations

import logging
import traceback

from learnlab.secrets import mask_text

log = logging.getLogger("learnlab.capture")


def without_secrets(record: logging.LogRecord) -> bool:
    """Mask the secrets in a message and in the trace of an exception, which may quote a task; always True.

    >>> record = logging.makeLogRecord({"msg": "refused: %s", "args": ("password=Tr0ub4dor&3xyzQQ",)})
    >>> without_secrets(record), "Tr0ub4dor" in record.getMessage()
    (True, False)
    """
    record.msg, record.args = mask_text(record.getMessage())[0], None
    if record.exc_info:
        record.exc_text = mask_text("".join(traceback.format_exception(*record.exc_info)).rstrip())[0]
        record.exc_info = None
    return True


log.addFilter(without_secrets)
