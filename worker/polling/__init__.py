"""Asking providers for deliveries, in a thread of its own: a slow provider delays neither sending nor maintenance."""
