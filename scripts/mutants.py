"""List the mutants of modules as JSON lines, by operators of cosmic-ray, in its own environment.

Each line has ``path``, ``line``, ``operator`` and ``source``, the text of the mutated module.
Of operators that nearly always make the same mistake there is one: what survives is to be read.
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

DECLARATIONS = ("@dataclass", "class ")
"""How lines begin that say whether a class is frozen or has slots: they decide nothing."""


def mutants(path: Path) -> Iterator[dict[str, object]]:
    """Every mutant of a module that differs from it in more than text."""
    source = path.read_text("utf-8")
    seen = {ast.dump(ast.parse(source))}
    for name in OPERATORS:
        operator, number = get_operator(f"core/{name}")(), 0
        while (mutated := mutate_code(source, operator, number)) is not None:
            number += 1
            try:
                tree = ast.dump(ast.parse(mutated))
            except SyntaxError:
                continue
            pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
            line, text = next(((n, b) for n, (a, b) in enumerate(pairs, 1) if a != b), (0, ""))
            if tree not in seen and not text.startswith(DECLARATIONS):
                seen.add(tree)
                yield {"path": str(path), "line": line, "operator": name, "source": mutated}


if __name__ == "__main__":
    for each in sys.argv[1:]:
        for mutant in mutants(Path(each)):
            print(json.dumps(mutant))
