"""What model a schema and its figures suggest: decisions without any reading of rows."""
