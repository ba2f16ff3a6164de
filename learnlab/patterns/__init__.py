"""Patterns: what solves what, from clusters of similar tasks and the solutions that were used on them."""

from learnlab.patterns.mining import mine_patterns
from learnlab.patterns.results import Mined, mined_patterns

__all__ = ["Mined", "mine_patterns", "mined_patterns"]
