"""Tests of domain.ddl."""
