"""What stands behind a labelling session: who holds what, what comes next, and what an item looks like."""
