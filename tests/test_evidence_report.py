"""The files of a report: all there, whole in themselves, and legible whatever is missing."""

import csv
import json
import re
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sklearn.metrics import classification_report

from evaluation.comparison import compare
from evaluation.result import Costs, Fold, Trial, TrialRound
from risk.clock import to_text
from tests.evidence_cases import contender, evaluation_of, thrown
from trainer.families import ENSEMBLE, FAMILIES
from trainer.report.page import page
from trainer.report.plot_style import COLOURS, lines, write_png
from trainer.report.plots import draw_plots
from trainer.report.write import write_report

COSTS = Costs(review_cost=5.0, loss_rate=1.0, alerts_per_day=20.0)
QUICK = {"seed": 1, "resamples": 20}
ABOUT = {
    "version": "strong-0a1b2c3d",
    "currency": "EUR",
    "file": "cards <&> more.csv",
    "rows": 12345,
    "options": {"label_delay": "7 days", "model": ["strong", "weak"]},
}
PLOTS = {"roc", "precision_recall", "calibration", "confusion", "importances", "scores", "profit", "alerts_recall",
         "gain", "course"}  # fmt: skip
IMPORTANCES = (("amount", 0.2), ("count_1h", 0.05), ("country", -0.001))
ALONE = {"meta", "br", "path", "use", "img", "hr", "link"}


class Page(HTMLParser):
    """Collects what matters, and that every element is closed."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.text, self.addresses, self.tags = [], [], [], [], set()
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self.tags.add(tag)
        self.ids += [given["id"]] if "id" in given else []
        self.addresses += [given[name] for name in ("src", "href", "xlink:href", "action") if name in given]
        if tag not in ALONE:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in ALONE:
            self.open.pop()

    def handle_endtag(self, tag):
        if tag not in ALONE:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    validation, test = thrown(1, lift=4.0, rows=3000), thrown(2, lift=4.0, rows=3000)
    contenders = [
        contender("weak", thrown(1, lift=1.5, rows=3000), thrown(2, lift=1.5, rows=3000)),
        contender("strong", validation, test, IMPORTANCES),
    ]
    baselines = [contender("amount alone", thrown(1, lift=0.2, rows=3000), thrown(2, lift=0.2, rows=3000))]
    evaluation = compare(contenders, baselines, "strong", test.scores, COSTS, **QUICK)
    write_report(folder, evaluation, contenders, baselines, ABOUT)
    return folder, evaluation, [*contenders, *baselines]


def test_all_files_are_there(written):
    folder, _, _ = written
    names = {path.name for path in folder.iterdir()}
    assert names == {"metrics.json", "classification_report.csv", "report.html", "model-card.md"} | {
        f"{name}.png" for name in PLOTS
    }


def test_metrics_are_the_figures_and_what_they_are_about(written):
    folder, evaluation, _ = written
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert told["about"] == ABOUT
    figures = msgspec.to_builtins(evaluation)
    assert told.keys() == {*figures, "about"}
    assert told["models"][1]["metrics"] == figures["models"][1]["metrics"]


def test_money_is_written_to_the_cent_and_times_as_text(written):
    """0.1 + 0.2 is no amount that anybody has seen, and no one reads milliseconds."""
    folder, evaluation, _ = written
    figures = msgspec.to_builtins(evaluation)
    told = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    for mine, theirs in zip(told["policies"], figures["policies"], strict=True):
        assert mine["money"]["saved"] == pytest.approx(theirs["money"]["saved"], abs=0.001)
        for amount in (mine["money"]["saved"], mine["money"]["gain"]["low"], mine["money"]["cost"]["value"]):
            assert amount == round(amount, 3)
    assert told["sweep"][0]["lost"] == round(told["sweep"][0]["lost"], 3)
    assert told["test"]["first"] == to_text(figures["test"]["first"])


def test_the_classification_report_is_scikit_learns(written):
    """The same rows as the library's own, for every model and baseline."""
    folder, _, everyone = written
    with (folder / "classification_report.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    theirs_by_ours = {"genuine": "False", "fraud": "True", "macro average": "macro avg",
                      "weighted average": "weighted avg"}  # fmt: skip
    assert len(rows) == 4 * len(everyone)
    for each in everyone:
        flagged = each.test.scores >= each.threshold
        theirs = classification_report(each.test.is_fraud, flagged, output_dict=True, zero_division=np.nan)
        for row in (row for row in rows if row["model"] == each.name):
            expected = theirs[theirs_by_ours[row["class"]]]
            assert float(row["precision"]) == pytest.approx(expected["precision"], abs=1e-6)
            assert float(row["recall"]) == pytest.approx(expected["recall"], abs=1e-6)
            assert float(row["f1"]) == pytest.approx(expected["f1-score"], abs=1e-6)
            assert int(row["support"]) == expected["support"]


def test_the_page_is_whole_and_asks_for_nothing(written):
    """Every element closed, ids unique, every reference within the page, no script, no address to fetch."""
    folder, _, _ = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.addresses)
    assert set(re.findall(r"url\(#([^)]+)\)", text)) <= set(page.ids)
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert "<script" not in text
    assert "@import" not in text
    assert text.count("<svg") == len(PLOTS)


def test_plots_follow_light_and_dark(written):
    """No colour of a plot is fixed, and every variable it uses is one of the style sheet's."""
    folder, _, _ = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    style, body = text.split("</style>", 1)
    assert not [colour for colour in COLOURS if colour in body]
    assert all(f"--{name}:" in style for name in set(re.findall(r"var\(--(\w+)\)", body)))


def test_no_two_models_are_drawn_alike():
    """All families and their ensemble, and families still to come; two baselines beside them."""
    predictions = thrown(1, rows=300)
    names = [*FAMILIES, ENSEMBLE, "the next", "another", "and another"]
    models = [contender(name, predictions, predictions) for name in names]
    baselines = [contender(name, predictions, predictions) for name in ("amount alone", "without history")]
    drawn = lines(models, baselines, ENSEMBLE)
    assert len(drawn) == len(models) + len(baselines)
    assert len({(line.style["color"], line.style["linestyle"]) for line in drawn}) == len(drawn)


def test_many_confusion_matrices_stand_in_rows():
    predictions = thrown(1, rows=300)
    models = [contender(name, predictions, predictions) for name in (*FAMILIES, ENSEMBLE, "one more")]
    evaluation = compare(models, [], ENSEMBLE, None, COSTS, **QUICK)
    plots, _ = draw_plots(evaluation, models, [], "EUR")
    [figure] = [plot.figure for plot in plots if plot.name == "confusion"]
    assert figure.get_figwidth() <= 12
    assert len([axes for axes in figure.axes if axes.get_title()]) == len(models)


def test_the_page_says_what_a_head_of_risk_asks(written):
    """Headline figures as words, every model and baseline, what it is about, with names from outside escaped."""
    folder, evaluation, everyone = written
    text = (folder / "report.html").read_text(encoding="utf-8")
    read = " ".join(" ".join(Page(text).text).split())
    money = evaluation.models[1].money
    assert f"{100 * money.precision.value:.1f} %" in read
    assert f"{100 * money.recall.value:.1f} %" in read
    assert f"EUR {money.gain.value:,.0f}" in read
    assert all(each.name in read for each in everyone)
    missing = evaluation.test.amounts_missing
    assert missing
    assert f"{missing} of 3,000 transactions of the test have no amount in EUR; they count as 0" in read
    for words in ("Report on strong-0a1b2c3d", "probability × amount", "flag nothing", "cards <&> more.csv", "12,345",  # noqa: RUF001  the page's own signs
                  "7 days", "takeover", "Of what is possible", "CP@100", "95 % interval"):  # fmt: skip
        assert words in read
    # A team works cases: an alert is one transaction, and nobody counts them by day.
    assert "cases a day" in read
    assert "alerts a day" not in read
    # Wherever precision and recall stand, it is said of what they are.
    heads = re.findall(r"<th scope=col>([^<]*(?:precision|recall)[^<]*)", text)
    heads = {head for head in heads if "average precision" not in head}
    assert heads == {f"{of} {figure}" for of in ("transaction", "case") for figure in ("precision", "recall")}
    assert f"with {100 * money.value_recall.value:.1f} % of their value" in read
    assert [row for row in evaluation.gains if f"{100 * row.frauds_so_far:.1f} %" not in read] == []
    assert all(point.name in read for point in evaluation.marked)
    assert "cards &lt;&amp;&gt; more.csv" in text


def test_a_caution_stands_before_the_headline():
    """Of a model that is too good to be true, with the feature escaped."""
    said = {}
    for area in (0.9, 0.999):
        said[area] = page(evaluation_of("m", 0.4, area, importances=(("<new>", 0.1),)), ABOUT, [])
    assert "<p class=lead><b>Caution" not in said[0.9]
    assert (
        "<p class=lead><b>Caution:</b> too good to be true: a ROC-AUC of 0.999, most of it from &lt;new&gt;."
        in said[0.999]
    )


def test_the_page_says_why_the_champion_is_the_champion(written, tmp_path):
    """Chosen on validation; so another may have the higher figure in the test."""
    folder, evaluation, everyone = written
    read = " ".join(Page((folder / "report.html").read_text(encoding="utf-8")).text)
    assert "strong is the champion: it had the highest average precision on validation." in read
    assert "did better" not in read
    weaker = replace(evaluation, champion="weak")
    write_report(tmp_path, weaker, everyone[:2], everyone[2:], ABOUT, with_plots=False)
    other = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "weak is the champion" in other
    assert "In the test strong did better; but" in other


def test_what_has_a_name_of_its_own_keeps_it(written, tmp_path):
    """A library is lightgbm and not Lightgbm; a line about the run begins like a sentence."""
    _, evaluation, everyone = written
    about = {**ABOUT, "libraries": {"lightgbm": "4"}}
    write_report(tmp_path, evaluation, everyone[:2], everyone[2:], about, with_plots=False)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<th scope=row>lightgbm</th>" in text
    assert "<th scope=row>File</th>" in text


def test_the_same_figures_give_the_same_page(written, tmp_path):
    """No time of writing, no random ids: a report can be compared with another."""
    folder, evaluation, everyone = written
    write_report(tmp_path, evaluation, everyone[:2], everyone[2:], ABOUT)
    for name in ("report.html", "metrics.json", "classification_report.csv", "roc.png"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()


def small(**changes):
    """One contender of a small world, its test changed."""
    test = thrown(2, lift=4.0, rows=400, merchants=0, with_kinds=False)
    return contender("only", thrown(1, lift=4.0, rows=400, merchants=0, with_kinds=False), test._replace(**changes))


@pytest.mark.parametrize(
    "only",
    [
        pytest.param(small(), id="no kinds, merchants, baselines or importances"),
        pytest.param(small(is_fraud=np.zeros(400, bool)), id="no fraud in the test"),
        pytest.param(small(is_fraud=np.ones(400, bool)), id="nothing but fraud", marks=pytest.mark.proof),
        pytest.param(small(scores=np.zeros(400)), id="all scores 0", marks=pytest.mark.proof),
        pytest.param(small(scores=np.ones(400)), id="all scores 1", marks=pytest.mark.proof),
        pytest.param(small(amounts=np.full(400, np.nan)), id="no amount known", marks=pytest.mark.proof),
        pytest.param(small(amounts=np.zeros(400)), id="all amounts 0", marks=pytest.mark.proof),
        pytest.param(small()._replace(threshold=2.0, medium=2.0), id="nothing is flagged", marks=pytest.mark.proof),
        pytest.param(small()._replace(threshold=0.0, medium=0.0), id="everything is flagged", marks=pytest.mark.proof),
    ],
)
def test_a_report_can_be_written_whatever_is_missing(only, tmp_path):
    """And what is missing is said on the page."""
    evaluation = compare([only], [], "only", None, COSTS, **QUICK)
    plots, failed = draw_plots(evaluation, [only], [], "")
    assert failed == []
    assert {"scores", "confusion"} < {plot.name for plot in plots}
    write_report(tmp_path, evaluation, [only], [], {}, with_plots=False)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.open == []
    assert "nan" not in " ".join(page.text).lower().split()
    read = " ".join(page.text)
    assert all(sentence in read for sentence in evaluation.missing)
    assert "Not in this report:" in read


def test_folds_and_another_source_have_their_tables(written, tmp_path):
    _, evaluation, everyone = written
    fold = Fold("2024-03", 777, 7, 0.5, None, "too <few>")
    more = replace(evaluation, folds=(fold,), external=evaluation)
    write_report(tmp_path, more, everyone[:2], everyone[2:], ABOUT, with_plots=False)
    read = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "was chosen once" not in read
    poor = replace(more, folds=(replace(fold, transactions=None, frauds=None),), folds_follow_a_search=True)
    write_report(tmp_path, poor, everyone[:2], everyone[2:], ABOUT, with_plots=False)
    poor_page = " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text)
    assert "was chosen once" in poor_page
    assert re.search(r"too <few>\s+the other folds\s+–\s+–\s+0\.500", poor_page)  # noqa: RUF001  the page's own signs
    assert "trained again on other parts" in read
    assert "too <few>" in read
    assert "777" in read
    assert "On data of another source" in read


def test_what_a_search_tried_has_a_table_for_each_model(written, tmp_path):
    _, evaluation, everyone = written
    rounds = (TrialRound(7, 350, 0.123456), TrialRound(28, 1400, 0.25))
    trials = (
        Trial("logistic", {"C": 1.0}, rounds, False),
        Trial("logistic", {"C": 0.0012345}, rounds[:1], False),
        Trial(
            "random-forest", {"max_features": "sqrt"}, (TrialRound(None, 350, 0.5), TrialRound(None, 700, 0.6)), True
        ),
    )
    write_report(tmp_path, replace(evaluation, trials=trials), everyone[:2], everyone[2:], ABOUT, with_plots=False)
    read = re.sub(r"\s+", " ", " ".join(Page((tmp_path / "report.html").read_text(encoding="utf-8")).text))
    assert "Search trials" in read
    assert "logistic C 7 days 350 all 1,400 asked for 1 0.123 0.250 1 0.00123 0.123 –" in read  # noqa: RUF001  the page's own signs
    assert "random-forest max_features some 350 all 700 asked for chosen sqrt 0.500 0.600" in read
    assert json.loads((tmp_path / "metrics.json").read_text())["trials"][1]["parameters"] == {"C": 0.0012345}
    write_report(tmp_path, evaluation, everyone[:2], everyone[2:], ABOUT, with_plots=False)
    assert "Search trials" not in (tmp_path / "report.html").read_text(encoding="utf-8")


ODD = ["$x", "$\\frac", "<script>alert(1)</script>", "a & b", "\"quoted\" 'name'", "two\nlines", "=1+1", "%s {0}",
       "\x1b[31mred", "x" * 500, "名前 🎲", "]]>", "<!--", "font: 9px", "\udcff"]  # fmt: skip
NAMES = st.one_of(st.sampled_from(ODD), st.text(st.characters(), min_size=1, max_size=40))


def as_written(name):
    return name.encode(errors="backslashreplace").decode()


def one_line_end(text):
    """HTML knows one kind."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=12, unique=True))
@example(names=ODD)
@example(names=["two\r\nlines"])
def test_no_text_of_a_dataset_is_markup(written, names):
    """Names of files, attributes and what is left out come from data: shown as they are, whatever is in them."""
    _, evaluation, _ = written
    about = {**ABOUT, "version": names[0], "file": names[-1], "attributes": names,
             "options": dict.fromkeys(names, names[0])}  # fmt: skip
    odd, plain = (
        Page(as_written(page(replace(evaluation, missing=tuple(missing)), said, [])))
        for missing, said in ((names, about), (["none"], ABOUT))
    )
    assert odd.open == []
    assert odd.tags == plain.tags
    assert odd.addresses == plain.addresses
    shown = one_line_end("".join(odd.text))
    assert all(one_line_end(as_written(name)) in shown for name in names)


def test_odd_names_of_features_are_drawn(tmp_path, written):
    """In one line each, cut where they are long; a page and its plot stay whole."""
    _, evaluation, everyone = written
    odd = everyone[1]._replace(importances=tuple((name, 0.1) for name in [*ODD[:11], ODD[-1]]))
    plots, failed = draw_plots(evaluation, [odd], [], "EUR")
    assert failed == []
    plots = [plot for plot in plots if plot.name == "importances"]
    write_png(*plots, tmp_path)
    text = page(evaluation, ABOUT, plots)
    found = Page(text)
    assert text.count("<svg") == 1
    assert "mathdefault" not in text
    assert found.open == []
    assert "script" not in found.tags
    assert {"$x", "<script>alert(1)</script>", "a & b", "two?lines", "x" * 47 + "…"} <= {t.strip() for t in found.text}


def test_what_is_no_text_is_written_as_it_can_be(tmp_path, written):
    _, evaluation, everyone = written
    names = [*ODD[:11], ODD[-1]]
    odd = everyone[1]._replace(importances=tuple((name, 0.1) for name in names))
    named = replace(evaluation, missing=tuple(names))
    write_report(tmp_path, named, [everyone[0], odd], everyone[2:], ABOUT, with_plots=False)
    kept = json.loads((tmp_path / "metrics.json").read_text(encoding="utf-8"))
    assert kept["missing"] == names
    assert Page((tmp_path / "report.html").read_text(encoding="utf-8")).open == []


def test_a_plot_that_fails_is_named_and_the_rest_is_there(tmp_path, written, capsys):
    _, evaluation, _ = written
    broken = small(is_fraud=np.zeros(400, bool))._replace(
        name="strong", importances=(("amount", "much"), ("hour", 0.2))
    )
    write_report(tmp_path, evaluation, [broken], [], ABOUT)
    assert {path.stem for path in tmp_path.glob("*.png")} == {"scores", "calibration", "confusion", "course"}
    assert "warning: not in the report: the plot importances, which could not be drawn (" in capsys.readouterr().err
    assert "the plot importances, which could not be drawn (" in (tmp_path / "report.html").read_text(encoding="utf-8")
