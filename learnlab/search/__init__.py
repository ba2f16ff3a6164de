"""Search: which past executions are like this one, by meaning and by words."""
