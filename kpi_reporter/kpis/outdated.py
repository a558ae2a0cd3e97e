class OutdatedError(Exception):
    """What was read of the store is no longer what it holds; it must be read anew."""
