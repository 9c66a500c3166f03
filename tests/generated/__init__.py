"""Clients that generators make of the OpenAPI document, and every call made with them: `make clients`."""
