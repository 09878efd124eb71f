"""Load: a MongoDB database of a version, and its dump."""
