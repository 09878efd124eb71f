"""The DDL of a sanitized copy: default-deny, like the rows.

``sanitized_ddl`` parses ``schema.sql`` with PostgreSQL's own parser and prints again only what a
rule allows: names, structure and expressions. The literals of these expressions are harmless by
themselves, or compared with columns that are kept, or replaced by the pseudonyms of the rows.
Everything else is left out, with a line in the report; ``schema.json`` is changed accordingly.

- ``known``: what the rules say of tables, enums, domains and views, by their names in SQL.
- ``literals``: which literals of an expression stay, and which are replaced.
- ``check_constraints``: which CHECK constraints masked values pass.
- ``functions``: functions and their bodies.
- ``statements``: how each kind of statement is changed.
- ``sanitized``: the two files.
"""

from mediatool_assets.domain.masking.ddl.sanitized import KeptLiterals, SanitizedDdl, sanitized_ddl

__all__ = ["KeptLiterals", "SanitizedDdl", "sanitized_ddl"]
