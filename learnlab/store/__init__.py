"""The store: connections held only while used, migrations, merging, the spool, views and the archive."""

from learnlab.store.core import Store, query, sql, view, view_together
from learnlab.store.forget import Forgotten
from learnlab.store.merge import Addition, Counts
from learnlab.store.positions import ReadPosition
from learnlab.store.verdicts import VerdictReport

__all__ = [
    "Addition",
    "Counts",
    "Forgotten",
    "ReadPosition",
    "Store",
    "VerdictReport",
    "query",
    "sql",
    "view",
    "view_together",
]
