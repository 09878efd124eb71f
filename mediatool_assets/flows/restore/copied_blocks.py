"""Blocks of rows into lines of COPY's text format, by the compiled codec where there is one.

``domain/copy_text.py`` defines the lines, and writes those of rows that the codec hands back.
"""

from collections.abc import Callable

import msgspec

from mediatool_assets.archive.reader import row_count, split_lines
from mediatool_assets.domain.copy_text import copied_columns, line_writer
from mediatool_assets.domain.schema import Table
from mediatool_assets.native.library import library
from mediatool_assets.native.rows import ODD, Kind, PlannedColumn, RowPlan


def block_writer(table: Table) -> Callable[[bytes], bytes]:
    """A function from a block of NDJSON to its lines, each with a newline.

    It raises what ``line_writer`` raises.
    """
    line = line_writer(table)

    def by_python(content: bytes) -> bytes:
        return b"".join([line(row) + b"\n" for row in split_lines(content)])

    codec = library()
    if codec is None:
        return by_python
    copied = set(copied_columns(table))
    columns = [
        PlannedColumn(
            msgspec.json.encode(column.name) + b":",
            Kind.DOCUMENT if column.base == "jsonb" else Kind.STRING,
            is_array=column.element is not None,
            is_used=column in copied,
        )
        for column in table.columns
    ]
    plan = RowPlan(codec, columns, ())

    def compiled(content: bytes) -> bytes:
        if not content.endswith(b"\n"):
            return by_python(content)
        status = bytearray(row_count(content))
        lines = plan.copied(content, status)
        if ODD in status:
            rows = split_lines(content)
            for at, outcome in enumerate(status):
                if outcome == ODD:
                    lines[at] = line(rows[at]) + b"\n"
        return b"".join(lines)

    return compiled
