"""Query versions with SQL: DuckDB over the tables or collections of one version, or of several."""
