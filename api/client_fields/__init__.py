"""The declared fields of clients."""
