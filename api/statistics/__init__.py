"""Counts of mailings and messages."""
