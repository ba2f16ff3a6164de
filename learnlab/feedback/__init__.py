"""What people think of executions: asked for by rules, labelled quickly, kept once, shown to none who may not see it."""
