"""Files in, executions in a store: logs, tables, their prices and tiers, and a simulated sample."""

from learnlab.ingest.report import FileReport, IngestReport
from learnlab.ingest.run import ingest

__all__ = ["FileReport", "IngestReport", "ingest"]
