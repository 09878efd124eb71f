"""Query: SQL with DuckDB over the tables or collections of one or several versions."""
