"""Text formats that several flows read: deeply nested JSON, and YAML that people write."""
