"""Conflicts: if another writer changed an object first, it is read and changed again."""

from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from mediatool_assets.domain.errors import AlreadyExists

retried_on_conflict = retry(
    retry=retry_if_exception_type(AlreadyExists),
    stop=stop_after_attempt(30),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
"""Repeats a function, up to 30 times, while it raises AlreadyExists; then raises that."""
