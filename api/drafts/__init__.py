"""Mailings that are being written."""
