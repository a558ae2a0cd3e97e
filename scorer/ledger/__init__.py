"""The merchant ledger's closed days: closing them, following their topic, waiting for them."""
