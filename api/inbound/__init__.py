"""Inbound messages: what recipients write to us."""
