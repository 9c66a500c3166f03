"""Contracts of providers that are declared as text, for the provider `http`."""
