"""The worker: finds the messages that are due, hands each to the gateway, keeps the ledger of what came of it."""
