"""The model file, read into ``domain.model``."""
