"""A worked example: a small orchestrator that does real work, to be captured."""
