"""Which CHECK constraints masked values surely pass; the others are left out."""

from google.protobuf.message import Message

from mediatool_assets.domain.ddl import tree
from mediatool_assets.domain.masking.ddl.known import Scope
from mediatool_assets.domain.masking.ddl.literals import is_equality, operator
from mediatool_assets.domain.masking.rules import MaskingRule, MaskingVerb


def may_break(expression: Message, scope: Scope) -> bool:
    """Whether masked values could be refused by a CHECK that the originals passed."""
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
        if not rules or not all(_keeps_to(rule, around) for rule in rules):
            return True
    return False


def _keeps_to(rule: MaskingRule, around: Message | None) -> bool:
    if rule.verb is MaskingVerb.KEEP:
        return True
    if around is None or around.DESCRIPTOR.name != "A_Expr":
        return around is not None and around.DESCRIPTOR.name == "NullTest" and rule.verb not in (
            MaskingVerb.DROP, MaskingVerb.REDACT,
        )  # fmt: skip
    if rule.verb is MaskingVerb.PSEUDONYM:
        return is_equality(around) and not _names_two(around)
    return rule.verb is MaskingVerb.NOISE and _is_sign(around)


def _names_two(node: Message) -> bool:
    references = [n for n, _ in tree.walk(node) if n.DESCRIPTOR.name == "ColumnRef"]
    return len(references) > 1


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
