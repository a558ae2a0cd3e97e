"""The split by days: counted by hand, and the words when it cannot be done."""

import pytest

from risk.clock import DAY, date_ms
from risk.errors import DatasetError, OptionError
from trainer.splits import NOT_GIVEN, Given, parsed_period, split_days, warn_of_short_gaps


def day(text: str) -> int:
    return date_ms(text) // DAY


def test_120_days_are_cut_at_the_midnights_that_a_hand_counts() -> None:
    """Test is the last 24 days, a gap of 7, validation 18, a gap of 7, and 64 days are left to fit."""
    periods = split_days(day("2024-01-01"), day("2024-04-29"), 7)
    assert periods.fit == (day("2024-01-01"), day("2024-03-05"))
    assert periods.validation == (day("2024-03-12"), day("2024-03-30"))
    assert periods.test == (day("2024-04-06"), day("2024-04-30"))
    assert [period.days for period in periods] == [64, 18, 24]


@pytest.mark.parametrize(("days", "test", "validation"), [(60, 12, 9), (61, 13, 10), (64, 13, 10), (80, 16, 12)])
def test_shares_are_rounded_up(days: int, test: int, validation: int) -> None:
    """20 and 15 percent of days that do not divide, and of days that do, without a float in between."""
    periods = split_days(0, days - 1, 3)
    assert (periods.test.days, periods.validation.days) == (test, validation)


@pytest.mark.parametrize("days", range(30, 200, 11))
@pytest.mark.parametrize("delay", [1, 7])
def test_every_day_is_in_one_period_or_in_a_gap_of_the_label_delay(days: int, delay: int) -> None:
    fit, validation, test = split_days(100, 100 + days - 1, delay)
    assert (fit.first, test.until) == (100, 100 + days)
    assert validation.first - fit.until == test.first - validation.until == delay


def test_given_periods_replace_the_outer_cuts() -> None:
    """Validation is the last 15 % of the train period, here 15 of 100 days, with the gap before it."""
    train, test = Given(10, 110), Given(130, 140)
    fit, validation, tested = split_days(0, 199, 7, train, test)
    assert (fit, validation, tested) == ((10, 88), (95, 110), (130, 140))


def test_a_train_period_alone_leaves_the_rest_after_a_gap_to_the_test() -> None:
    assert split_days(0, 199, 7, Given(None, 100)).test == (107, 200)


def test_a_test_period_alone_leaves_what_is_before_it_to_training() -> None:
    fit, validation, test = split_days(0, 199, 7, test=Given(100, 150))
    assert (fit.first, validation.until, test) == (0, 93, (100, 150))


def test_periods_reach_no_further_than_the_data() -> None:
    assert split_days(0, 99, 7, Given(-50, 80), Given(87, 500)).test == (87, 100)


def test_days_that_have_no_room_for_the_gap_before_validation_are_split_without_it() -> None:
    """The gap stays where fit is as long as validation with it: of 29 days fit would have 4, validation 5."""
    assert split_days(0, 28, 7) == ((0, 11), (11, 16), (23, 29))
    assert split_days(0, 29, 7) == ((0, 5), (12, 17), (24, 30))


def test_12_days_are_too_few_and_13_are_enough_for_a_label_delay_of_7() -> None:
    """The words say which days there are, and how many it takes."""
    with pytest.raises(DatasetError) as caught:
        split_days(day("2024-01-01"), day("2024-01-12"), 7)
    text = str(caught.value)
    assert "2024-01-01 to 2024-01-12 (12 days)" in text
    assert "at least 13 days" in text
    assert split_days(0, 12, 7).fit.days == 1


def test_a_week_to_train_a_delay_of_a_week_and_a_week_to_test() -> None:
    """The last 15 % of the week, two days, are validation, with nothing between it and the five before it."""
    assert split_days(0, 199, 7, Given(100, 107), Given(114, 121)) == ((100, 105), (105, 107), (114, 121))


@pytest.mark.parametrize(
    ("validation", "fit", "chosen"),
    [
        (Given(105, 107), (100, 105), (105, 107)),  # at the end of the week
        (Given(105, None), (100, 105), (105, 107)),
        (Given(100, 102), (102, 107), (100, 102)),  # at its beginning
        (Given(93, 100), (100, 107), (93, 100)),  # the week before
        (Given(None, 100), (100, 107), (0, 100)),
        (Given(98, 103), (103, 107), (98, 103)),  # reaching into it
        (Given(107, 112), (100, 107), (107, 112)),  # after it
    ],
)
def test_validation_may_lie_in_the_training_period_before_it_or_after_it(
    validation: Given, fit: tuple[int, int], chosen: tuple[int, int]
) -> None:
    found = split_days(0, 199, 7, Given(100, 107), Given(114, 121), validation)
    assert (found.fit, found.validation, found.test) == (fit, chosen, (114, 121))


def test_with_validation_given_and_no_training_period_that_ends_where_validation_does() -> None:
    """And keeps the gap before it: there is room."""
    assert split_days(0, 199, 7, test=Given(150, 170), validation=Given(120, 140)) == ((0, 113), (120, 140), (150, 170))


def test_an_open_validation_behind_the_training_period_ends_the_label_delay_before_the_test() -> None:
    found = split_days(0, 199, 7, Given(100, 107), Given(124, 131), Given(108, None))
    assert found == ((100, 107), (108, 117), (124, 131))


@pytest.mark.parametrize("train", [NOT_GIVEN, Given(100, 107)])
def test_an_open_validation_for_which_no_day_is_left_is_refused(train: Given) -> None:
    with pytest.raises(OptionError, match=r"--validation: got 1970-04-28 as its first day, expected one that is more"):
        split_days(0, 199, 7, train, Given(124, 131), Given(117, None))


def test_validation_that_cuts_the_training_period_in_two_is_refused() -> None:
    with pytest.raises(
        OptionError, match=r"--validation: got 1970-04-13\.\.1970-04-15, which cuts the training period"
    ):
        split_days(0, 199, 7, Given(100, 107), Given(114, 121), Given(102, 104))


def test_validation_on_days_of_the_test_is_refused() -> None:
    with pytest.raises(OptionError, match=r"--validation: .*before the test begins on 1970-04-25"):
        split_days(0, 199, 7, Given(100, 107), Given(114, 121), Given(110, 115))


@pytest.mark.parametrize(
    ("validation", "words"),
    [
        (NOT_GIVEN, "warning: got 0 days between fit and validation, expected 7"),
        (Given(90, 97), "validation lies before the fit period"),
    ],
)
def test_a_validation_that_is_no_rehearsal_of_the_test_is_said(
    capsys: pytest.CaptureFixture[str], validation: Given, words: str
) -> None:
    warn_of_short_gaps(split_days(0, 199, 7, Given(100, 107), Given(114, 121), validation), 7)
    said = capsys.readouterr().err
    assert words in said
    assert "and test" not in said


def test_the_gap_before_the_test_is_that_of_whichever_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    warn_of_short_gaps(split_days(0, 199, 7, Given(100, 107), Given(110, 117), Given(90, 97)), 7)
    assert "got 3 days between fit and test, expected 7" in capsys.readouterr().err


def test_training_on_days_of_the_test_is_refused() -> None:
    with pytest.raises(OptionError, match="before the test begins on 1970-02-20"):
        split_days(0, 99, 7, Given(0, 60), Given(50, 99))


@pytest.mark.parametrize("given", [Given(150, 160), Given(None, 0), Given(100, None)])
@pytest.mark.parametrize("option", ["train", "validation", "test"])
def test_a_period_outside_the_data_is_refused_with_the_days_that_there_are(option: str, given: Given) -> None:
    with pytest.raises(
        OptionError, match=rf"--{option}: got .* outside the data.* 1970-01-01 to 1970-04-10 \(100 days"
    ):
        split_days(0, 99, 7, **{option: given})


@pytest.mark.parametrize(("test_from", "is_short"), [(53, True), (56, True), (57, False), (70, False)])
def test_a_gap_shorter_than_the_label_delay_is_said_with_both_numbers(
    capsys: pytest.CaptureFixture[str], test_from: int, is_short: bool
) -> None:
    warn_of_short_gaps(split_days(0, 99, 7, Given(0, 50), Given(test_from, 99)), 7)
    words = f"warning: got {test_from - 50} days between validation and test, expected 7"
    assert (words in capsys.readouterr().err) == is_short


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-01..2024-02-01", Given(day("2024-01-01"), day("2024-02-01"))),
        ("..2024-02-01", Given(None, day("2024-02-01"))),
        ("2024-01-01..", Given(day("2024-01-01"), None)),
        (None, NOT_GIVEN),
    ],
)
def test_a_period_is_read(text: str | None, expected: Given) -> None:
    assert parsed_period("--train", text) == expected


@pytest.mark.parametrize("text", ["", "..", "2024-01-01", "2024-01-01..2024-02-31", "2024-01-01-2024-02-01", "1.1...2"])
def test_what_is_no_period_is_refused_with_the_option_and_the_value(text: str) -> None:
    with pytest.raises(OptionError, match=r"--train: got .*expected FROM\.\.UNTIL"):
        parsed_period("--train", text)


def test_a_period_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(OptionError, match="before UNTIL"):
        parsed_period("--test", "2024-02-01..2024-02-01")
