"""The ledger: messages and their attempts."""
