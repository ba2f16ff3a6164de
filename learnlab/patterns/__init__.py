"""Patterns: what solves what, from clusters of similar tasks and the solutions that were used on them."""

from learnlab.patterns.mining import mine
from learnlab.patterns.results import Mined, mined

__all__ = ["Mined", "mine", "mined"]
