"""backtest: a dataset through the very pipeline the worker uses, and what would have come of it."""
