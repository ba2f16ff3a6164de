"""Readers: logs of many kinds in, checked executions out; `ingest` puts them into a store."""

from learnlab.ingest.run import FileReport, IngestReport, ingest

__all__ = ["FileReport", "IngestReport", "ingest"]
