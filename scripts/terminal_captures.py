"""Writes docs/reference/terminal.md: what commands show on terminals of three widths.

Needs tmux, local servers that are up, and versions in the bucket (`mediatool demo`). It begins one
more, captures its progress while the window changes its width, and interrupts it.

    .venv/bin/python scripts/terminal_captures.py
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/reference/terminal.md"
WIDTHS = (60, 80, 120)
COMMANDS = ("mediatool versions --limit 6",)
EXPORT = "mediatool export --notes 'for the captures'"
PROMPT = "$ "
SECONDS = 1800  # an export on a slow machine

_HEAD = """\
# On a terminal

The output of commands on terminals of 60, 80 and 120 columns, captured in tmux by
`scripts/terminal_captures.py`. Columns that do not fit are left out, the least important first; a
version is never shortened. In a pipe, all columns are printed.

Progress is one line on stderr: time passed, step, percentage, amount, rate and time left. It is
redrawn on a terminal. Elsewhere a line is printed every 30 seconds. `-q` turns it off, and `-v`
adds a line for each step that has ended. These options and `--debug` can be given before or after
any command.
"""


def main() -> None:
    """Capture, and write the page."""
    window = Window()
    try:
        sections = [*_commands(window), *_progress(window)]
    finally:
        window.close()
    PAGE.write_text(_HEAD + "".join(sections), encoding="utf-8")


def _commands(window: "Window") -> Iterator[str]:
    for command in COMMANDS:
        yield f"\n## `{command}`\n"
        for width in WIDTHS:
            window.resize(width)
            yield _block(width, window.run(command))


def _progress(window: "Window") -> Iterator[str]:
    """The same run at each width, from narrow to wide, and its interruption."""
    yield f"\n## `{EXPORT}`\n"
    window.resize(WIDTHS[0])
    window.begin(EXPORT)
    for width in WIDTHS:
        window.resize(width)
        window.wait(lambda text: " %" in text)
        yield _block(width, window.text())
    window.interrupt()
    window.wait(_has_ended)
    yield _block(WIDTHS[-1], window.text())


def _has_ended(text: str) -> bool:
    return text.rstrip().endswith(PROMPT.strip())


def _block(width: int, text: str) -> str:
    return f"\n{width} columns:\n\n```text\n{text}\n```\n"


class Window:
    """A terminal of its own, in a tmux server of its own."""

    def __init__(self) -> None:
        """Open it, with this environment's mediatool on the PATH."""
        path = Path(sys.executable).parent
        shell = f"env PATH={path}:$PATH PS1='{PROMPT}' bash --norc --noprofile"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "60", shell)
        self._tmux("set-option", "window-size", "manual")
        self.wait(_has_ended)

    def close(self) -> None:
        """End it, and what runs in it."""
        self._tmux("kill-server")

    def resize(self, width: int) -> None:
        """Change its width."""
        self._tmux("resize-window", "-x", str(width), "-y", "60")

    def begin(self, command: str) -> None:
        """Type a command into an empty window."""
        self._tmux("send-keys", "clear", "Enter")
        self.wait(lambda text: text.strip() == PROMPT.strip())
        self._tmux("send-keys", command, "Enter")
        self.wait(lambda text: text.strip() != PROMPT.strip() and command[:20] in text)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self._tmux("send-keys", "C-c")

    def run(self, command: str) -> str:
        """What a command leaves on the screen."""
        self.begin(command)
        self.wait(_has_ended)
        return self.text().removesuffix(PROMPT.strip()).rstrip()

    def text(self) -> str:
        """What is on the screen."""
        return self._tmux("capture-pane", "-p").rstrip()

    def wait(self, until: Callable[[str], bool]) -> None:
        """Return when the screen is so."""
        deadline = time.monotonic() + SECONDS
        while not until(self.text()):
            if time.monotonic() > deadline:
                sys.exit(f"the terminal does not come on:\n{self.text()}")
            time.sleep(0.3)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", "mediatool-captures", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
