"""Tests, in the folders of what they test; drills walk whole circles on real servers."""
