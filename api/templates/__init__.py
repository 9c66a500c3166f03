"""Saved templates: named texts for mailings, with their history."""
