"""What people think of executions: asked rarely, labelled quickly, kept once, shown to nobody who may not see it."""
