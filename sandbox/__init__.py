"""The whole service on one machine: an embedded PostgreSQL, a simulated gateway, and the launcher of both."""
