"""learnlab learns from what AI agents did: logs in, one DuckDB file, answers in notebooks and reports."""
