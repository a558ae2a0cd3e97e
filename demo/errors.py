"""What ends a demo."""

from risk.errors import TrustLensError


class DemoError(TrustLensError):
    """Something the demo needs is not there, or one of its programs did not do its work."""
