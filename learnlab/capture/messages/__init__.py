"""The message bus: typed, bounded, in this process."""
