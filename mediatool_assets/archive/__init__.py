"""The archive format: a plain .tar.gz whose members can be read by range."""
