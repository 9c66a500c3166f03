"""Figures about everything."""
