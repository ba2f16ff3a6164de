"""A simulated fleet and simulated sessions of agents whose truth is known: the bundled sample."""
