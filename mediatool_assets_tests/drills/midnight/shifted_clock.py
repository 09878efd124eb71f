"""A clock for other processes, which can be set while they run: Debian's libfaketime.

Their monotonic clock is the machine's, so that time limits stay what they are.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

_SIGNING = str(Path(__file__).parent / "signing")
_PLACES = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


@dataclass(frozen=True)
class ShiftedClock:
    """The clock of all processes that have its environment; ``file`` says how far it is ahead."""

    file: Path

    def set(self, moment: datetime) -> None:
        """From now on it is this moment, and time goes on."""
        ahead = (moment - datetime.now(UTC)).total_seconds()
        new = self.file.with_suffix(".new")
        new.write_text(f"{ahead:+.3f}\n")
        new.replace(self.file)

    def now(self) -> datetime:
        """What these processes read."""
        return datetime.now(UTC) + timedelta(seconds=float(self.file.read_text()))

    def environment(self) -> dict[str, str]:
        """The variables that make a process and its children read this clock."""
        if not _PLACES:
            raise SystemExit("libfaketime is missing: `apt-get install libfaketime`")
        return {
            "LD_PRELOAD": str(_PLACES[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "PYTHONPATH": os.pathsep.join(filter(None, (_SIGNING, os.environ.get("PYTHONPATH")))),
        }
