"""Labels in files: written for a viewer, read back as they were."""
