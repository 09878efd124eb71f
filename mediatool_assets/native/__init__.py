"""Finds and loads the compiled codec, once a process."""

import ctypes
import os
from ctypes import (
    POINTER,
    c_char_p,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_ubyte,
    c_uint32,
    c_uint64,
    c_void_p,
)
from functools import cache
from pathlib import Path
from typing import Literal

_DIGESTED: list[type] = [
    c_void_p,
    c_char_p,
    c_size_t,
    POINTER(c_ubyte),
    c_size_t,
    c_uint64,
    c_uint64,
]
_FUNCTIONS: dict[str, tuple[type | None, list[type]]] = {
    "mt_source": (c_char_p, []),
    "mt_plan": (c_void_p, [c_char_p, c_size_t]),
    "mt_free": (None, [c_void_p]),
    "mt_read": (c_int, [c_void_p, c_char_p, c_size_t, POINTER(c_ubyte), c_size_t]),
    "mt_types": (c_int, [c_void_p, c_uint32, POINTER(c_ubyte), c_size_t]),
    "mt_lost": (None, [c_void_p, POINTER(c_uint64)]),
    "mt_assemble": (
        c_int,
        [
            c_void_p,
            c_char_p,
            c_size_t,
            POINTER(c_uint64),
            c_size_t,
            POINTER(c_uint64),
            c_size_t,
        ],
    ),
    "mt_copy": (
        c_int,
        [c_void_p, c_char_p, c_size_t, POINTER(c_ubyte), POINTER(c_uint64), c_size_t],
    ),
    "mt_identities": (c_int, [c_void_p, POINTER(c_uint64), POINTER(c_ubyte), c_size_t]),
    "mt_fingerprint_rows": (
        c_int,
        [c_char_p, c_size_t, POINTER(c_uint64), POINTER(c_uint64)],
    ),
    "mt_fingerprint_documents": (
        c_int,
        [c_char_p, c_size_t, POINTER(c_uint64), POINTER(c_uint64)],
    ),
    "mt_cut_documents": (c_size_t, [c_char_p, c_size_t, c_size_t, c_size_t, c_size_t]),
    "mt_newlines": (c_uint64, [c_char_p, c_size_t]),
    "mt_suspects": (
        c_int64,
        [
            c_char_p,
            c_size_t,
            c_char_p,
            c_size_t,
            POINTER(c_uint64),
            c_size_t,
            POINTER(c_ubyte),
            POINTER(c_uint64),
        ],
    ),
    "mt_texts": (
        c_int64,
        [
            c_void_p,
            c_uint32,
            c_uint32,
            POINTER(c_int32),
            POINTER(c_ubyte),
            POINTER(c_ubyte),
            c_size_t,
        ],
    ),
    "mt_texts_made": (c_void_p, [c_void_p]),
    "mt_documents": (c_void_p, [c_void_p]),
    "mt_digester": (c_void_p, [c_char_p, c_size_t]),
    "mt_digest_free": (None, [c_void_p]),
    "mt_digest_rows": (c_int, _DIGESTED),
    "mt_digest_documents": (c_int, _DIGESTED),
    "mt_digest_part": (c_void_p, [c_void_p, c_uint32, POINTER(c_uint64)]),
    "mt_digest_counts": (None, [c_void_p, POINTER(c_uint64)]),
    "mt_key_columns": (
        c_int,
        [c_char_p, c_size_t, c_char_p, c_size_t, c_size_t, c_void_p, POINTER(c_uint64), c_size_t],
    ),
}


def library() -> ctypes.CDLL | None:
    """The codec; None if it is switched off or was not compiled here."""
    if os.environ.get("MEDIATOOL_NATIVE", "").strip().lower() == "no":
        return None
    return _chosen[-1] if _chosen else loaded()[0]


def codec() -> Literal["native", "python"]:
    """``native`` or ``python``: which of the two converts rows in this process."""
    return "python" if library() is None else "native"


def why_not_native() -> str | None:
    """Why Python converts rows here; None if the compiled codec does."""
    if library() is not None:
        return None
    return loaded()[1] or "MEDIATOOL_NATIVE is no"


def load(path: Path) -> ctypes.CDLL:
    """The library at ``path``; raises OSError if it cannot be loaded or is of another source.

    Loading it runs no code: it has no global state.
    """
    from mediatool_assets.native.build import SOURCE, fingerprint  # noqa: PLC0415  # it is a program

    program = ctypes.CDLL(str(path))
    try:
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(program, name)
            function.restype, function.argtypes = result, arguments
    except AttributeError as error:
        raise OSError(f"{path} is not the codec of this version: {error}") from error
    if program.mt_source() != fingerprint().encode():
        raise OSError(f"{path} was compiled from another {SOURCE.name}; run `make install`")
    return program


def use(chosen: ctypes.CDLL) -> None:
    """Use another build from now on in this process, for example one with sanitizers."""
    _chosen.append(chosen)


_chosen: list[ctypes.CDLL] = []


@cache
def loaded() -> tuple[ctypes.CDLL | None, str | None]:
    """The codec beside its source, or why there is none."""
    from mediatool_assets.native.build import PROGRAM, SOURCE  # noqa: PLC0415  # as above

    path = SOURCE.with_name(PROGRAM)
    if not path.exists():
        return None, "it is not compiled: `python -m mediatool_assets.native.build` does that"
    try:
        return load(path), None
    except OSError as error:
        return None, str(error)
