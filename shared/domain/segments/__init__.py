"""Segments: conditions on clients, as a text, as a syntax tree, and typed."""
