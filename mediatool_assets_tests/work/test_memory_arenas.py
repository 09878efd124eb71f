"""Threads share heaps, where the C library has such a limit."""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import ctypes, sys, threading
from mediatool_assets.work import keep_heaps_few
if sys.argv[1] == "few":
    keep_heaps_few(2)
libc = ctypes.CDLL(None)
libc.malloc.restype = libc.fopen.restype = ctypes.c_void_p
together = threading.Barrier(8)
def work():
    together.wait()
    libc.malloc(ctypes.c_size_t(1000))
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
file = ctypes.c_void_p(libc.fopen(sys.argv[2].encode(), b"w"))
libc.malloc_info(0, file)
libc.fclose(file)
"""


def test_eight_threads_have_two_heaps(tmp_path: Path) -> None:
    """As many as were allowed; without a limit, one each."""

    def heaps(how: str) -> int:
        path = tmp_path / how
        subprocess.run([sys.executable, "-c", PROGRAM, how, path], check=True)
        return path.read_text().count("<heap nr=")

    assert heaps("few") == 2
    assert heaps("many") > 2
