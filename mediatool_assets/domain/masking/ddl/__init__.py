"""The DDL of a sanitized copy: default-deny, as the rows are.

``sanitized_ddl`` takes ``schema.sql`` apart by PostgreSQL's own parser and prints it anew, with
only what a rule lets through: names and structure, and expressions whose literals are harmless in
themselves, compared with columns that are kept, or replaced by the pseudonyms that the rows have.
All else is left out, with a line in the report; ``schema.json`` follows.

- ``known``: what the rules say of tables, enums, domains and views, by their names in SQL.
- ``literals``: which literals of an expression stay, and which are replaced.
- ``check_constraints``: which CHECK constraints masked values pass.
- ``functions``: functions and their bodies.
- ``statements``: what becomes of each kind of statement.
- ``sanitized``: the two files.
"""

from mediatool_assets.domain.masking.ddl.sanitized import (
    KeptLiterals,
    SanitizedDdl,
    sanitized_ddl,
)

__all__ = ["KeptLiterals", "SanitizedDdl", "sanitized_ddl"]
