"""A command of ``mediatool``, or with ``--duckdb`` a query, that measures itself.

    counting.py FILE COMMAND …
    counting.py FILE --duckdb QUERY

At its end it writes to FILE the bytes that were read from S3, its peak memory in KiB, and the
number of requests to S3; those of worker processes are not counted.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def run(arguments: Sequence[str]) -> tuple[int, int, int]:
    """The exit code, the bytes that were read from S3, and the number of requests."""
    if arguments[0] == "--duckdb":
        import duckdb  # noqa: PLC0415  # all that this process imports

        print(len(duckdb.connect().execute(arguments[1]).fetchall()))
        return 0, 0, 0
    from botocore.httpsession import URLLib3Session  # noqa: PLC0415

    from mediatool_assets.main import main  # noqa: PLC0415  # not in a query's process
    from mediatool_assets.stores import s3  # noqa: PLC0415

    fetch, lengths = s3._fetch, []

    def counted(client: Any, where: dict[str, Any]) -> tuple[bytes, str]:
        data, etag = fetch(client, where)
        lengths.append(len(data))
        return data, etag

    send, sent = URLLib3Session.send, []

    def sending(session: URLLib3Session, request: Any) -> Any:
        sent.append(request.method)
        return send(session, request)

    setattr(s3, "_fetch", counted)  # noqa: B010  # its type is that of tenacity's wrapper
    setattr(URLLib3Session, "send", sending)  # noqa: B010  # mypy takes no new method
    return main(arguments), sum(lengths), len(sent)


def peak_kib() -> int:
    """The peak memory of this process; ``getrusage`` includes its parent's before the fork."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    code, read, requests = run(sys.argv[2:])
    Path(sys.argv[1]).write_text(f"{read} {peak_kib()} {requests}")
    sys.exit(code)
