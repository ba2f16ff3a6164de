"""Asking: when, whom and what, and taking the answer down at a terminal, in a notebook or from a program."""
