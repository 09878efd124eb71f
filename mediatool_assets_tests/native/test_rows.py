"""What ``RowPlan`` makes of the answers of the codec."""

import ctypes
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mediatool_assets.native.rows import DocumentStep, Kind, PlannedColumn, RowPlan, StepKind

pytestmark = pytest.mark.usefixtures("compiled_codec")


def test_the_documents_of_a_block_are_never_cut() -> None:
    """However large they are together: many rows may embed many others."""
    made = ctypes.create_string_buffer(b"abc")

    def assemble(*arguments: Any) -> int:
        arguments[5][0] = (1 << 62) + 3  # which is 3 as a C int
        return 0

    codec = SimpleNamespace(
        mt_plan=lambda *_: 1,
        mt_free=lambda *_: None,
        mt_read=lambda *_: 0,
        mt_assemble=assemble,
        mt_documents=lambda _: ctypes.addressof(made),
    )
    columns = [PlannedColumn(b'"a":', Kind.JSON, is_array=False, is_used=True)]
    plan = RowPlan(cast(ctypes.CDLL, codec), columns, [DocumentStep(StepKind.COLUMN, "a")])
    plan.read(b"{}\n", bytearray(1))
    with pytest.raises(MemoryError):
        plan.documents([])
