"""What programs ask of the store. One object is used by one thread."""

from risk.store.bundles import Bundles
from risk.store.copies import Copies
from risk.store.flags import Flags
from risk.store.labels import Labels
from risk.store.log_identity import LogIdentity
from risk.store.pruning import Pruning


class Store(Flags, Labels, Pruning, Bundles, LogIdentity, Copies):
    """The sum of its parts, each in a file of its own: who owns which partition and how far it is (partitions), the
    flags, the labels, the ledger's days, the bundles, the log that all this came from, pruning, and copies."""
