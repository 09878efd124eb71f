"""The compiled codec: whole blocks of rows and documents, without a Python object for each value.

It is optional. If it is not compiled, or MEDIATOOL_NATIVE is ``no``, the Python code of ``flows``
does the same work; bytes and digests are equal.
"""
