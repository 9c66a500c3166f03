"""Gateways: accounts at providers."""
