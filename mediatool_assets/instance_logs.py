"""Dagster's compute logs in S3, uploaded by threads that end with the step that they follow.

Dagster's own thread sleeps to the end of its interval. At the end of a process, a sleeping thread
keeps modules alive: DuckDB then prints sixty lines about leaked objects.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from dagster_aws.s3.compute_log_manager import S3ComputeLogManager


class BucketLogs(S3ComputeLogManager):
    """Dagster's manager, with another thread."""

    @contextmanager
    def _poll_for_local_upload(self, log_key: Sequence[str]) -> Iterator[None]:
        ended = Event()

        def upload() -> None:
            while not ended.wait(self.upload_interval):
                self.on_progress(log_key)  # type: ignore[no-untyped-call]  # Dagster's own

        thread = Thread(target=upload, name="upload-watch", daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
