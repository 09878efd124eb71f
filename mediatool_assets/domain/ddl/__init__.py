"""DDL as PostgreSQL reads it: pg_dump's text as entries, and every statement as a syntax tree.

The parser is PostgreSQL's own (libpg_query, the grammar of version 18). Five modules:

- ``tree``: one statement and its tree. ``statements(text)`` splits, ``parse(statement)`` gives the
  tree, ``walk(tree)`` visits its nodes with their parents, ``deparse(tree)`` prints it again.
- ``script``: ``entries(text)`` reads ``schema.sql`` entry by entry; nothing is judged.
- ``restorable``: ``read(text)`` gives what a restore may execute, and what it leaves out with the
  reason.
- ``kinds``: the kinds of objects that are made, and how one is named (``VIEW totals``); no parser.
- ``skips``: what a restore is asked to leave out, and what goes with it.

To print a statement with other literals, change its tree in place::

    for entry in script.entries(text):
        for statement in entry.statements:
            parsed = tree.parse(statement)
            for node, parent in tree.walk(parsed):
                if isinstance(node, A_Const) and node.HasField("sval"):
                    node.sval.sval = "x"
            print(tree.deparse(parsed))

Not every text of a statement is an ``A_Const``: names, labels (``CreateEnumStmt.vals``), options
(``DefElem.arg``) and bodies of functions are ``String`` nodes, and ``CommentStmt.comment`` is a
field. The node classes are in ``postgast.pg_query_pb2``.
"""
