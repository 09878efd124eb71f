"""The compiled codec of rows: whole blocks of NDJSON into BSON, without a Python object a value.

It is optional. Where it is not compiled, or MEDIATOOL_NATIVE is ``no``, the Python of
``flows/transform`` does the same; the bytes are equal.
"""
