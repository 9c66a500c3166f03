"""Segments: conditions on clients, saved for mailings, and counted."""
