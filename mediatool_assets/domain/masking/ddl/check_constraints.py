"""Which CHECK constraints masked values certainly satisfy; the others are left out."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

from google.protobuf.message import Message
from postgast import pg_query_pb2 as pg

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.ddl.known import Scope
from mediatool_assets.domain.masking.ddl.literals import is_equality, operator
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb


def may_break(expression: Message, scope: Scope) -> bool:
    """Whether masked values could violate a CHECK that the originals satisfied."""
    parents: dict[int, Message | None] = {}
    nodes = list(tree.walk(expression))
    for node, parent in nodes:
        parents[id(node)] = parent
    for node, parent in nodes:
        if node.DESCRIPTOR.name != "ColumnRef":
            continue
        around = parent
        while around is not None and around.DESCRIPTOR.name in ("TypeCast", "CollateClause"):
            around = parents[id(around)]
        rules = scope.rules(node)
        is_asserted = _is_asserted(around, parents)
        if not rules or not all(_keeps_to(rule, around, is_asserted) for rule in rules):
            return True
    return False


def _is_asserted(node: Message | None, parents: Mapping[int, Message | None]) -> bool:
    """Whether an expression is connected to the whole by AND and OR only."""
    above = node and parents[id(node)]
    while above is not None:
        if above.DESCRIPTOR.name != "BoolExpr" or above.boolop == pg.NOT_EXPR:
            return False
        above = parents[id(above)]
    return True


def _keeps_to(rule: MaskingRule, around: Message | None, is_asserted: bool) -> bool:
    if rule.verb is MaskingVerb.KEEP:
        return True
    if around is None or around.DESCRIPTOR.name != "A_Expr":
        return around is not None and around.DESCRIPTOR.name == "NullTest" and rule.verb not in (
            MaskingVerb.DROP, MaskingVerb.REDACT,
        )  # fmt: skip
    if rule.verb is MaskingVerb.PSEUDONYM:
        return is_equality(around) and not _names_two(around)
    if rule.verb is MaskingVerb.GENERALIZE:
        return _is_at_step(rule.argument, around, is_asserted)
    return rule.verb is MaskingVerb.NOISE and _is_sign(around)


def _names_two(node: Message) -> bool:
    references = [n for n, _ in tree.walk(node) if n.DESCRIPTOR.name == "ColumnRef"]
    return len(references) > 1


def _is_at_step(argument: str, node: Message, is_asserted: bool) -> bool:
    """Whether a number is compared with a whole multiple of its generalization step.

    The generalized number is on the same side of that multiple as the original. The multiple is
    whole, and therefore exact at any scale. With ``<=`` and ``=`` this holds for ``is_asserted``
    comparisons.
    """
    sides, name = (tree.inner(node.lexpr), tree.inner(node.rexpr)), operator(node)
    if sides[0].DESCRIPTOR.name != "ColumnRef":
        sides, name = sides[::-1], _MIRRORED.get(name, "")
    column, constant = sides
    while constant.DESCRIPTOR.name == "TypeCast":
        constant = tree.inner(constant.arg)
    if node.kind != pg.AEXPR_OP or (column.DESCRIPTOR.name, constant.DESCRIPTOR.name) != (
        "ColumnRef", "A_Const",
    ):  # fmt: skip
        return False
    try:
        is_multiple = Decimal(constant.ival.ival) % Decimal(argument) == 0
    except InvalidOperation:  # a step of dates or of texts
        return False
    allowed = (">=", "<", "<=", "=") if is_asserted else (">=", "<")
    return constant.WhichOneof("val") == "ival" and is_multiple and name in allowed


_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


def _is_sign(node: Message) -> bool:
    """Whether a number is compared with zero."""
    constants = [n for n, _ in tree.walk(node) if n.DESCRIPTOR.name == "A_Const"]
    names = {n.DESCRIPTOR.name for n, _ in tree.walk(node)}
    return (
        len(constants) == 1
        and constants[0].WhichOneof("val") == "ival"
        and constants[0].ival.ival == 0
        and names <= {"A_Expr", "A_Const", "ColumnRef", "String", "TypeCast", "TypeName", "Integer"}
        and operator(node) in ("<", "<=", ">", ">=", "<>", "=")
    )
