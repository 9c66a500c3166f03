"""The whole service on one machine: embedded PostgreSQL, a simulated gateway, and the launcher of `make run`."""
