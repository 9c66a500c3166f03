"""The audit of operations and their actors. Each entry is committed with its change, and never changed."""
