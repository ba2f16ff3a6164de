"""The store: connections held only while used, migrations, merging, the spool, views and the archive."""

from learnlab.store.core import Store, query, sql, view
from learnlab.store.database import LearningDatabase
from learnlab.store.merge import Counts

__all__ = ["Counts", "LearningDatabase", "Store", "query", "sql", "view"]
