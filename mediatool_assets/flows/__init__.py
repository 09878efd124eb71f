"""The platform's operations: a package for each verb; they use stores through ``ports``."""
