"""Calendars of the days on which local windows are closed."""
