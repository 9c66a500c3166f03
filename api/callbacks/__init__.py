"""Callbacks of providers: receipts and inbound messages, which are committed before they are answered.

They are answered in front of Flask, without a thread for each: docs/adr/0032-callbacks-in-front-of-flask.md
"""
