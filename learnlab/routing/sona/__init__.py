"""SONA: a small network that learns what to expect of each candidate, and forgets little."""
