"""The parts of a report that look closer: segments, groups, weeks, contributions, and cautions in its headline."""

import numpy as np
from msgspec.structs import replace

from evaluation.comparison import Context, compare
from evaluation.contributions import ContributionSample
from evaluation.data_quality import DataQuality, FeatureQuality
from evaluation.segments import Grouping
from risk.clock import DAY
from tests.browser import browsing
from tests.evidence_cases import contender, evaluation_of, thrown
from tests.test_evidence_report import ABOUT, COSTS, QUICK, Page
from trainer.report.page import model_card, page
from trainer.report.plots import draw_plots
from trainer.report.wording import few_frauds_of
from trainer.report.write import write_report


def test_a_test_that_was_drawn_is_a_caution_in_the_headline():
    one = evaluation_of("m", 0.4, 0.9)
    assert "drawn at random" not in page(one, ABOUT, [])
    assert "<p class=lead><b>Caution:</b> the test was drawn at random" in page(replace(one, is_random=True), ABOUT, [])


def test_few_frauds_are_a_caution_on_the_page_and_in_the_card():
    """As train says in the terminal, which nobody who reads the report has seen. An older bundle does not say how many
    there were in its fit period."""
    one = evaluation_of("m", 0.4, 0.9)
    assert not any(text.startswith("fit ") for text in few_frauds_of(one))
    many = replace(one, validation=replace(one.validation, frauds=100), test=replace(one.test, frauds=100))
    for frauds, is_said in ((99, True), (100, False)):
        few = replace(many, fit_frauds=frauds)
        words = f"fit has {frauds} frauds, fewer than 100: what models learn of them is uncertain"
        assert (f"<b>Caution:</b> {words}." in page(few, ABOUT, [])) == is_said
        assert (f"\n- {words}" in model_card(few, ABOUT)) == is_said
    for which, frauds, is_said in (
        ("validation", 60, True),
        ("test", 99, True),
        ("test", 0, False),
        ("test", 100, False),
    ):
        few = replace(many, **{which: replace(getattr(many, which), frauds=frauds)})
        words = f"{which} has {frauds} frauds, fewer than 100: "
        assert (f"<b>Caution:</b> {words}" in page(few, ABOUT, [])) == is_said
        assert (f"\n- {words}" in model_card(few, ABOUT)) == is_said


def test_a_cap_that_the_test_went_beyond_is_said():
    one = evaluation_of("m", 0.4, 0.9)
    for cap, with_all, is_said in ((1e6, None, False), (1e-6, None, True), (500.0, 501.0, True)):
        capped = replace(one, costs=replace(one.costs, alerts_per_day=cap), cases_per_day_of_all=with_all)
        assert ("cases a day, more than that</b>" in page(capped, ABOUT, [])) == is_said


def test_what_the_money_takes_for_granted_is_said_where_it_is_read():
    """Nobody holds the report against docs/cost.md: what is flagged counts as stopped, whoever looks at it when."""
    one = evaluation_of("m", 0.4, 0.9)
    assert one.winner.money.gain.value >= 0
    text, card = page(one, ABOUT, []), model_card(one, ABOUT)
    assert ", if whatever is flagged is stopped at once. It raises" in text
    for words in ("counts as stopped before the money is gone", "not yet reported when the file was written"):
        assert words in text
        assert words in card


def test_the_busiest_day_is_said_where_all_its_cases_are_known():
    one = evaluation_of("m", 0.4, 0.9)
    most = max(day.cases for day in one.course.days)
    assert most > one.winner.money.alerts_per_day.value
    words = "On the busiest day it raised"
    assert f"{words} {most} cases." in page(one, ABOUT, [])
    assert words not in page(replace(one, cases_per_day_of_all=500.0), ABOUT, [])
    assert words not in page(replace(one, flags_nothing="cost"), ABOUT, [])


def test_a_wide_plot_can_be_read_on_a_phone(tmp_path):
    """Shrunk to the width of the page, its letters would be three dots high. The page itself stays as wide as it is."""
    validation, test = thrown(1, lift=4.0, rows=3000), thrown(2, lift=4.0, rows=3000)
    one = contender("only", validation, test)
    write_report(tmp_path, compare([one], [], "only", None, COSTS, **QUICK), [one], [], ABOUT)
    with browsing() as screen:
        screen.resize(390, 844)
        screen.open((tmp_path / "report.html").as_uri())
        widths = screen.run("[...document.querySelectorAll('figure.wide svg')].map(one => one.clientWidth)")
        assert widths
        assert min(widths) >= 700
        assert screen.run("document.documentElement.scrollWidth") == 390


def test_segments_and_weeks_are_on_the_page(tmp_path):
    """With what is too small for a figure, what other data lack, and days of which nothing is known."""
    validation, test = thrown(1, lift=4.0, rows=3000), thrown(2, lift=4.0, rows=3000)
    one = contender("only", validation, test)
    codes = (test.amounts > 20).astype(int) + (np.arange(3000) % 100 == 0)
    silent = np.array([test.event_times.max() + DAY])
    context = Context((Grouping("way <in>", ("small", "large", "odd"), codes),), silent)
    evaluation = compare([one], [], "only", None, COSTS, **QUICK, context=context)
    evaluation = replace(evaluation, external=replace(evaluation, missing=("nothing of the other source",)))
    write_report(tmp_path, evaluation, [one], [], ABOUT, with_plots=False)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    read = " ".join(" ".join(Page(text).text).split())
    assert "Way &lt;in&gt;" in text
    for segment in evaluation.segments[0].segments:
        assert segment.name in read
        assert segment.note in read
    assert "1 of 11 days have transactions and not one label" in read
    assert "Tested on 10 days," in read
    few = replace(evaluation, test=replace(evaluation.test, days=9))
    assert "Tested on 9 days that have labels," in page(few, ABOUT, [])
    assert evaluation.course.weeks[1].first in read
    assert "nothing of the other source" in read


def test_groups_of_a_sensitive_attribute_have_a_part_of_their_own():
    """With the ratios to the largest group, and whether the model learns from it."""
    test = thrown(2, lift=2.0, rows=3000, fraud_share=0.1)
    one = contender("only", thrown(1, lift=2.0, rows=3000, fraud_share=0.1), test)
    codes = (np.arange(3000) % 3 == 0).astype(int)
    said = {}
    for is_learned in (False, True):
        grouping = Grouping("age band", ("old", "young"), codes, is_sensitive=True, is_learned_from=is_learned)
        evaluation = compare([one], [], "only", None, COSTS, **QUICK, context=Context((grouping,)))
        said[is_learned] = " ".join(" ".join(Page(page(evaluation, ABOUT, [])).text).split())
    assert "Age band no model learns from it." in said[False]
    assert "Age band the models learn from it." in said[True]
    young = evaluation.segments[0].segments[1]
    assert young.name == "young"
    assert f"{100 * young.false_positive_rate.value:.1f} %" in said[True]
    assert f"{young.ratios.recall:.2f}" in said[True]


def test_contributions_are_drawn_with_what_features_mean():
    """Instead of importances; whatever values a feature has."""
    random = np.random.default_rng(1)
    names = ("amount", "constant", "<channel>")
    values = np.column_stack([random.random(60), np.ones(60), random.integers(0, 3, 60)])
    sample = ContributionSample(names, {"amount": "amount of it"}, {"<channel>": ("(none)", "a", "b")}, values,
                                values - values.mean(axis=0), np.arange(60) < 5)  # fmt: skip
    one = contender("only", thrown(1, rows=400), thrown(2, rows=400), (("amount", 0.1),))._replace(contributions=sample)
    evaluation = compare([one], [], "only", None, COSTS, **QUICK)
    plots, failed = draw_plots(evaluation, [one], [], "EUR")
    assert failed == []
    assert {"contributions", "effects"} < {plot.name for plot in plots}
    assert "importances" not in {plot.name for plot in plots}
    text = page(evaluation, ABOUT, [plot for plot in plots if plot.name in ("contributions", "effects")])
    found = Page(text)
    assert found.open == []
    assert len(found.ids) == len(set(found.ids))
    read = " ".join(" ".join(found.text).split())
    assert "on 60 test transactions, 5 of them frauds" in read
    assert "amount amount of it" in read
    assert "<channel>" in read


QUALITY = DataQuality(1200, 1000, {"bad_time": 170, "refund": 7}, 20, 3, 5, 11, (
    FeatureQuality("amount", 0.0, 0.125, 0.0123, None), FeatureQuality("channel", 0.0, 0.0, None, 0.321)), 50_000,
)  # fmt: skip


def test_the_page_begins_with_what_is_on_it():
    text = page(evaluation_of("m", 0.4, 0.9), ABOUT, [])
    found = Page(text)
    assert found.addresses[:2] == ["#about-money", "#about-models"]
    assert {address.removeprefix("#") for address in found.addresses} == set(found.ids)


def test_a_model_card_says_what_has_drifted_and_what_groups_and_thresholds_are_not_known():
    test = thrown(2, lift=2.0, rows=3000, fraud_share=0.1)
    one = contender("only", thrown(1, lift=2.0, rows=3000, fraud_share=0.1), test)
    again = one._replace(test=test._replace(scores=np.minimum(test.scores * 9, 1)))
    grouping = Grouping("age", ("~a~ & b", "$1$"), (np.arange(3000) % 3 == 0).astype(int), is_sensitive=True)
    context = Context((grouping,), np.array([test.event_times.max()]), is_refit=True)
    evaluation = compare([again], [], "only", None, COSTS, **QUICK, context=context, first_fit=one)
    card = model_card(evaluation, ABOUT)
    recall = evaluation.segments[0].segments[0].recall
    assert "- Drifted, calibration: " in card
    assert "- 1 more transactions of the test period have no label, and no figure here looks at them." in card
    assert ".- " not in card, "each point has a line of its own"
    assert "\n| \\~a\\~ \\& b | 2,000 | " in card
    assert f"| {100 * recall.value:.1f} % ({100 * recall.low:.1f} % to {100 * recall.high:.1f} %) |" in card
    nothing = model_card(replace(evaluation, flags_nothing="cost"), ABOUT)
    assert "It flags nothing: on the validation period no case was worth its review. All alerts" in nothing


def test_what_the_data_lack_is_on_the_page():
    evaluation = replace(evaluation_of("m", 0.4, 0.9), quality=QUALITY)
    read = " ".join(" ".join(Page(page(evaluation, ABOUT, [])).text).split())
    for words in ("Could not be read 177", "bad_time 170", "refund 7", "amount 0.0 % 12.5 % 1.2 %", "32.1 %"):
        assert words in read


def test_the_model_card_says_what_a_reviewer_asks():
    """Data, period, figures, limits, groups; a name from the data is no markup."""
    evaluation = replace(evaluation_of("m", 0.4, 0.9), quality=QUALITY, missing=("No <kind> was *given*.",))
    about = {**ABOUT, "periods": {"test": "2024-01-01 to 2024-02-01"}, "transactions": 4711}
    card = model_card(evaluation, about)
    gain = evaluation.winner.money.gain
    for words in ("# Model card: strong-0a1b2c3d", "- transactions: 4,711", "- test: 2024-01-01 to 2024-02-01",
                  "1,200 in the file, 1,000 used, 177 that could not be read", "- file: cards \\<\\&\\> more.csv",
                  "- No \\<kind\\> was \\*given\\*.", "| average precision | 0.400 |", "No attribute was declared",
                  f"| saved, net of review costs | EUR {gain.value:,.2f} |"):  # fmt: skip
        assert words in card, words
    assert "{{" not in card
    assert "drawn at random" in model_card(replace(evaluation, is_random=True), about)
