"""Suppressions: numbers that must not be written to."""
