"""Text formats for several flows: deeply nested JSON, and YAML written by people."""
