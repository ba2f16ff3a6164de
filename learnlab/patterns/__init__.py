"""Patterns: what solves what, from clusters of similar tasks and the solutions that were used on them.

`mine_patterns` and `mined_patterns` are the names under which the package makes `mine` and `mined` public.
"""

from learnlab.patterns.mining import mine
from learnlab.patterns.results import Mined, mined

mine_patterns, mined_patterns = mine, mined

__all__ = ["Mined", "mine", "mine_patterns", "mined", "mined_patterns"]
