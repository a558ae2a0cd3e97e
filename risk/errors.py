"""The one family of exceptions.

TrustLensError
├── SettingError     a setting has a value that cannot be used         stop; a person must act
├── DatasetError     a file or column map cannot be read as meant      stop; a person must act
├── BundleError      a bundle is not whole, or not for this program    stop; a person must act
├── RuleError        a rule or a list cannot be used                   stop; a person must act
├── OptionError      an option of a command cannot be used             stop; a person must act
├── EngineError      the engine was handed what it cannot take         stop; options that do not fit, or a mistake
├── BrokerError      Kafka says no                                     stop; a person must act
│   └── BrokerAwayError    there is no broker to talk to               may be tried again
└── StoreError       the store cannot be used                          stop; a person must act
    ├── DaysPrunedError    ledger days that are asked for are gone     stop; a person must act
    ├── StaleOwnerError    somebody else owns the partition now        stop; start again
    └── StoreBusyError     locked for longer than the limit            may be tried again

What is not said to be tried again gives the same answer every time. A message that cannot be read is not an
exception at all; it is a value, `events.Rejected`, with a destination.
"""


class TrustLensError(Exception):
    """What a user or operator can understand: what failed, the value, what was expected, what to do."""


class SettingError(TrustLensError):
    """A setting has a value that cannot be used."""


class DatasetError(TrustLensError):
    """A file or column map cannot be read as meant."""


class BundleError(TrustLensError):
    """A bundle is not whole, or not for this program."""


class RuleError(TrustLensError):
    """A rule or a list cannot be used."""


class OptionError(TrustLensError):
    """An option of a command cannot be used."""


class EngineError(TrustLensError):
    """The engine was handed what it cannot take."""


class BrokerError(TrustLensError):
    """Kafka says no."""


class BrokerAwayError(BrokerError):
    """There is no broker to talk to; it may come back."""


class StoreError(TrustLensError):
    """The store cannot be used."""


class DaysPrunedError(StoreError):
    """Rows of closed ledger days that are asked for were pruned."""


class StaleOwnerError(StoreError):
    """Somebody else owns the partition now, or the store's file is another one."""


class StoreBusyError(StoreError):
    """The store was locked by somebody else for longer than the limit."""
