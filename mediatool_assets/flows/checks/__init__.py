"""Asset checks of a version: what the stores hold is read, and ``domain.expectations`` judges it.

Each check returns a finding on everything that it was asked about. If a store cannot be read, the
finding is unknown or, if what should be there is damaged or missing, failed: never passed.
"""
