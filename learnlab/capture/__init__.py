"""Live capture: what an orchestrator decides and what comes of it, written down as it happens."""
