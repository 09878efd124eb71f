"""Checks of a version: the evidence is read from the stores, and judged by ``domain.expectations``.

Each check answers for every thing that it was asked about. Where the evidence cannot be read, the
finding is that nothing is known, or that what should be there is damaged: never that it passed.
"""
