"""SONA, the self-optimising router, and EWC++, by which it goes on learning without losing what it knew."""

from learnlab.routing.sona.sona import FittedSona, Sona, new, restore

__all__ = ["FittedSona", "Sona", "new", "restore"]
