"""Export: one version of the source as a raw archive."""
