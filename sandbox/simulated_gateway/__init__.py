"""The simulated gateway, a program of its own (`python -m sandbox.simulated_gateway`), and its client for tests."""
