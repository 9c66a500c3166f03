"""Presets of local windows by country."""
