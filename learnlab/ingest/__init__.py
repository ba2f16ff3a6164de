"""Readers of the logs people have, prices and tiers, and the simulator."""

from learnlab.ingest.report import FileReport, IngestReport
from learnlab.ingest.run import ingest

__all__ = ["FileReport", "IngestReport", "ingest"]
