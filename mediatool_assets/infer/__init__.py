"""Infers a model from a schema and figures; reads no rows."""
