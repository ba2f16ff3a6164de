"""SONA, the self-optimising router, and EWC++, by which it goes on learning without losing what it knew."""

from learnlab.routing.sona.kept import new, restore
from learnlab.routing.sona.sona import FittedSona, Sona

__all__ = ["FittedSona", "Sona", "new", "restore"]
