"""Mailings, with the counts of their messages."""
