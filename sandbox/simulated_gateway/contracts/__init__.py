"""The contracts that the simulated gateway implements: one module each, written from what the provider publishes.

They share nothing with the adapters of shared/gateways/, which they test.
"""
