"""Links by which recipients opt out: the pages behind them, and their address (docs/opt-out-links.md)."""
