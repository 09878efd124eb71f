"""Functions in the DDL of a sanitized copy: defaults, settings, and a body without comments."""

import re
from collections.abc import Iterator

import postgast
from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.ddl.known import Denied, Known, Scope
from mediatool_assets.domain.masking.ddl.literals import SHORT, Literals, harmless_word

_IDENTIFIER = re.compile(r'"[\w$]+"')
_QUOTED = frozenset({pg.SCONST, pg.USCONST, pg.BCONST, pg.XCONST})
_COMMENTS = frozenset({pg.SQL_COMMENT, pg.C_COMMENT})


def sanitize_function(known: Known, node: Message, literals: Literals) -> None:
    """Sanitize a function's defaults and settings, and strip comments; raises Denied."""
    scope = Scope(known, ())
    literals.keep_or_replace(node.return_type, scope)
    for parameter in node.parameters:
        literals.keep_or_replace(parameter, scope)
    if node.HasField("sql_body"):
        literals.keep_or_replace(node.sql_body, Scope.of(known, node.sql_body))
    language = next(
        (o.def_elem.arg.string.sval for o in node.options if o.def_elem.defname == "language"),
        "sql",
    ).lower()
    for option in node.options:
        if option.def_elem.defname == "as":
            items = option.def_elem.arg.list.items
            if len(items) != 1 or language not in ("sql", "plpgsql"):
                raise Denied(f"its body is in the language {language}")
            items[0].string.sval = _body(known, items[0].string.sval, language, literals)
        elif option.def_elem.defname == "set":
            setting = option.def_elem.arg.variable_set_stmt
            if setting.name != "search_path":
                literals.keep_or_replace(setting, scope)


def _body(known: Known, body: str, language: str, literals: Literals) -> str:
    if language == "sql":
        try:
            statements = [tree.parse(text) for text in tree.statements(body)]
            for statement in statements:
                literals.keep_or_replace(statement, Scope.of(known, statement))
            return ";\n".join(map(tree.deparse, statements))
        except tree.BadStatement as error:
            raise Denied("its body cannot be parsed") from error
    return "".join(_plain(body, literals))


def _plain(body: str, literals: Literals) -> Iterator[str]:
    """A body without comments, whose literals are all harmless; raises Denied."""
    source, at = body.encode(), 0
    try:
        tokens = postgast.scan(body).tokens
    except postgast.PgQueryError as error:
        raise Denied("its body cannot be parsed") from error
    for token in tokens:
        text = source[token.start : token.end].decode()
        if token.token in _QUOTED:
            if (why := harmless_word(text.strip("'"))) is None:
                raise Denied("its body has a literal")
            literals.kept[why] += 1
        elif token.token == pg.IDENT and text.startswith('"') and not _IDENTIFIER.fullmatch(text):
            raise Denied("its body quotes a name that is not a plain one")
        elif token.token in (pg.ICONST, pg.FCONST) and sum(map(str.isdigit, text)) >= SHORT:
            raise Denied("its body has a long number")
        yield source[at : token.start].decode()
        yield " " if token.token in _COMMENTS else text
        at = token.end
    yield source[at:].decode()
