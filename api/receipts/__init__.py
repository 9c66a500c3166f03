"""Receipts that match no message."""
