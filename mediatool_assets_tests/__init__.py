"""Tests, in the folders of what they test; drills are end-to-end tests on real servers."""
