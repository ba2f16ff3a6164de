"""Logs of agents and evaluations: a reader for each format, and what readers share."""
