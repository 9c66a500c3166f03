"""Uploaded lists of phone numbers, for conditions of segments."""
