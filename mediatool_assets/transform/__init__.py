"""Transform: rows of the raw archive become documents of collections."""
