"""In processes with a shifted clock: requests are signed with the machine's time.

S3 refuses a signature of another time. Only that clock is left alone; all others are shifted.
"""

import importlib.util
import os
import sys
from datetime import datetime, timedelta
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any


class _Signing(MetaPathFinder):
    """Gives ``botocore.auth`` the machine's time once it is imported."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        """Find that module as always, and change it after it is loaded."""
        if name != "botocore.auth":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        loader: Any = spec.loader
        load = loader.exec_module

        def loaded(module: ModuleType) -> None:
            load(module)
            shifted = module.get_current_datetime

            def real(*arguments: Any) -> datetime:
                ahead = float(Path(os.environ["FAKETIME_TIMESTAMP_FILE"]).read_text())
                found: datetime = shifted(*arguments)
                return found - timedelta(seconds=ahead)

            setattr(module, "get_current_datetime", real)  # noqa: B010  # mypy knows no such module

        loader.exec_module = loaded
        return spec


sys.meta_path.insert(0, _Signing())
