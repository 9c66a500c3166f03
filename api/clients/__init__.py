"""The directory of clients."""
