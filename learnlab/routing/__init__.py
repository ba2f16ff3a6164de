"""Which candidate to send a task to: what can be known before it runs, learned from what came of others."""
