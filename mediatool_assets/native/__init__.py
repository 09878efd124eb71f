"""The compiled codec: whole blocks of rows and documents, without a Python object for each value.

It is optional. Where it is not compiled, or MEDIATOOL_NATIVE is ``no``, the Python of ``flows``
does the same; bytes and digests are equal.
"""
