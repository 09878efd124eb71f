"""Limits the number of heaps of the C library to that of active threads."""

import ctypes

_ARENA_MAX = -8  # M_ARENA_MAX of glibc's malloc.h


def keep_heaps_few(most: int = 2) -> None:
    """Limit this process to at most ``most`` heaps; only glibc supports it.

    glibc gives each thread its own heap, up to eight per core, and threads do not share free
    memory. For the threads of DuckDB, Arrow and uploads this saves some 200 MB.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, most)
