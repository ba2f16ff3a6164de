"""Patterns: what solves what, from clusters of similar tasks and the solutions that were used on them."""

from learnlab.patterns.results import Mined, mined
from learnlab.patterns.mining import mine

__all__ = ["Mined", "mine", "mined"]
