"""The asset checks of a version. They read its stores; ``core.model`` decides.

Each check returns a finding for every table or collection that it was asked about. If a store
cannot be read, the finding is unknown. If required data is damaged or missing, it is failed. A
check that cannot read its data never passes.
"""
