"""What the figures rest on: what became of the file's rows, and what its features lack."""

from msgspec import Struct


class FeatureQuality(Struct, frozen=True):
    """Shares of the rows of fit and test, on a sample of each: how far the test is what the model knows."""

    name: str
    missing_in_fit: float
    missing_in_test: float
    clipped_in_test: float | None  # numbers beyond what training saw; None of a category
    unseen_in_test: float | None  # categories that are no word of the vocabulary; None of a number


class DataQuality(Struct, frozen=True):
    """What came of the file's rows, and how its features look."""

    rows: int  # of the file
    used: int  # that went through the engine and were scored
    rejected: dict[str, int]  # by reason
    duplicates: int
    late: int
    other_currencies: int  # used, without their amount
    without_label: int  # used, as history only
    features: tuple[FeatureQuality, ...]
    sampled: int  # rows that features were looked at on, of fit and of test at most
