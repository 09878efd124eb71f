"""Masking: which values of a version are changed in a sanitized copy, and into what; no IO."""
