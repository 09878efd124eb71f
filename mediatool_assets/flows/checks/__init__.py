"""The asset checks of a version: they read its stores, and ``domain.expectations`` decides.

Each check returns a finding on everything that it was asked about. If a store cannot be read, the
finding is unknown or, if what should be there is damaged or missing, failed: never passed.
"""
