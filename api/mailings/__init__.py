"""Mailings, and what became of their messages."""
