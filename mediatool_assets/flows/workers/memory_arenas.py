"""Limits the heaps of the C library to the number of threads that are at work."""

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def keep_heaps_few(most: int = 2) -> None:
    """Let this process have no more heaps than ``most``; only glibc has such a limit.

    It gives each thread a heap of its own, up to eight a core, and what is free in one is of no use
    to the next: of DuckDB's, Arrow's and the uploads' threads that comes to some 200 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, most)
