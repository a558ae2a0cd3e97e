from risk.errors import StoreError


class OutdatedError(StoreError):
    """What was read of the store is no longer what it holds; it is to be read anew, at once or the next time."""
