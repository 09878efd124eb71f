"""List the mutants of modules as JSON lines, by operators of cosmic-ray, in its own environment.

Each line has ``path``, ``line``, ``operator`` and ``source``, the text of the mutated module.
Of operators that nearly always make the same mistake, only one is used, since people read the list
of survivors.

Code that decides nothing is left out: type annotations, ``frozen`` and ``slots`` of classes, and
the text in an f-string of a ``raise``. The class and the arguments of a raised error are not left
out.
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

OPERATORS = [
    *(f"ReplaceComparisonOperator_{pair}" for pair in (
        "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "Lt_GtE", "LtE_Lt", "LtE_Gt", "Gt_GtE", "Gt_LtE",
        "GtE_Gt", "GtE_Lt", "Is_IsNot", "IsNot_Is",
    )),
    *(f"ReplaceBinaryOperator_{pair}" for pair in (
        "Add_Sub", "Sub_Add", "Mul_FloorDiv", "Div_Mul", "FloorDiv_Mul", "Mod_FloorDiv",
        "BitAnd_BitXor", "BitXor_BitAnd", "LShift_RShift", "RShift_LShift",
    )),
    "ReplaceUnaryOperator_USub_UAdd", "ReplaceUnaryOperator_Delete_Not", "AddNot",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer",
    "ZeroIterationForLoop",
]  # fmt: skip

Place = tuple[int, int]
"""A line, counted from 1, and a byte in it."""


def undecisive(tree: ast.AST) -> Iterator[ast.expr | ast.keyword]:
    """The parts of a module that are left out."""
    for node in ast.walk(tree):
        match node:
            case ast.arg(annotation=ast.expr() as part) | ast.AnnAssign(annotation=part):
                yield part
            case ast.FunctionDef(returns=ast.expr() as part):
                yield part
            case ast.keyword(arg="frozen" | "slots"):
                yield node
            case ast.Raise():
                yield from (part for part in ast.walk(node) if isinstance(part, ast.JoinedStr))


def first_difference(before: str, after: str) -> Place:
    """Where two texts begin to differ."""
    pairs = zip(before.encode().split(b"\n"), after.encode().split(b"\n"), strict=False)
    line, a, b = next((n, a, b) for n, (a, b) in enumerate(pairs, 1) if a != b)
    shared = next((n for n, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), len(a))
    return line, shared


def mutants(path: Path) -> Iterator[dict[str, object]]:
    """Every mutant of a module that differs from it in more than text."""
    source = path.read_text("utf-8")
    tree = ast.parse(source)
    spans = [
        ((part.lineno, part.col_offset), (part.end_lineno or 0, part.end_col_offset or 0))
        for part in undecisive(tree)
    ]
    seen = {ast.dump(tree)}
    for name in OPERATORS:
        operator, number = get_operator(f"core/{name}")(), 0
        while (mutated := mutate_code(source, operator, number)) is not None:
            number += 1
            try:
                dumped = ast.dump(ast.parse(mutated))
            except SyntaxError:
                continue
            if dumped in seen:
                continue
            seen.add(dumped)
            place = first_difference(source, mutated)
            if not any(start <= place < end for start, end in spans):
                yield {"path": str(path), "line": place[0], "operator": name, "source": mutated}


if __name__ == "__main__":
    for each in sys.argv[1:]:
        for mutant in mutants(Path(each)):
            print(json.dumps(mutant))
