"""The shipped models, on the data that they are for."""
