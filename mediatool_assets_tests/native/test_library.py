"""Whether the compiled codec is used, and why not."""

import subprocess
from pathlib import Path

import pytest

from mediatool_assets import native as library
from mediatool_assets.native import build

pytestmark = pytest.mark.usefixtures("compiled_codec")


def test_the_codec_is_used_unless_it_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """By one setting, at any time."""
    assert (library.codec(), library.why_not_native()) == ("native", None)
    monkeypatch.setenv("MEDIATOOL_NATIVE", "no")
    assert (library.codec(), library.why_not_native()) == ("python", "MEDIATOOL_NATIVE is no")
    assert library.library() is None


def test_a_program_of_another_source_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was left from an older version, as one of an older interface, is refused."""
    with monkeypatch.context() as patch:
        patch.setattr(build, "fingerprint", lambda: "another")
        old = build.compile_into(tmp_path, ["cc"], ("-O0",))
    with pytest.raises(OSError, match=r"compiled from another rows\.c; run `make install`"):
        library.load(old)
    source = tmp_path / "empty.c"
    source.write_text("int nothing;\n")
    empty = tmp_path / "empty.so"
    subprocess.run(["cc", "-shared", "-o", empty, source], check=True)
    with pytest.raises(OSError, match="is not the codec of this version"):
        library.load(empty)


def test_without_a_compiler_nothing_is_built_and_nothing_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was tried is told, and Python does the work."""
    monkeypatch.setattr(build, "compilers", lambda: iter(()))
    assert build.build(tmp_path) is None
    assert "there is no C compiler" in capsys.readouterr().err
    monkeypatch.setattr(build, "compilers", lambda: iter([["false"], ["cc"]]))
    assert build.build(tmp_path) == tmp_path / build.PROGRAM
    assert [path.name for path in tmp_path.iterdir()] == [build.PROGRAM]


def test_a_compiler_that_is_chosen_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """``CC`` may hold arguments, as for another machine."""
    monkeypatch.setenv("CC", "zig cc -target aarch64-linux-gnu.2.17")
    assert next(build.compilers()) == ["zig", "cc", "-target", "aarch64-linux-gnu.2.17"]


def test_what_is_not_compiled_is_told_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In an install without a compiler."""
    monkeypatch.setattr(build, "SOURCE", tmp_path / "rows.c")
    library.loaded.cache_clear()
    assert library.codec() == "python"
    assert "python -m mediatool_assets.native.build" in (library.why_not_native() or "")
    monkeypatch.undo()
    library.loaded.cache_clear()
