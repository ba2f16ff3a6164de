"""What tasks, results and routers say, read as fields of an execution: document 001's mapping."""
