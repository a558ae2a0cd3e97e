"""All figures together: they agree with their parts, can be written as JSON, and say what is missing."""

import json

import msgspec
import numpy as np
import pytest

from evaluation.comparison import ModelFigures, ModelPredictions, compare
from evaluation.money import (
    BEST_IN_TEST,
    BREAK_EVEN,
    BY_AMOUNT,
    FLAG_NOTHING,
    IN_USE,
    MEDIUM,
    NO_SCORE,
    Accounting,
)
from evaluation.ranking import areas
from evaluation.result import Costs, Evaluation
from evaluation.segments import UNNAMED, rows_of_kinds
from risk.errors import EngineError
from tests.evidence_cases import KINDS, contender, judged_rows, thrown

QUICK = {"review_cost": 5.0, "loss_rate": 1.0, "alerts_per_day": None, "seed": 1, "resamples": 60}


def judge(models, baselines, champion, truth, *, seed, resamples, **costs):
    """As it is written as JSON."""
    evaluation = compare(models, baselines, champion, truth, Costs(**costs), seed=seed, resamples=resamples)
    return json.loads(json.dumps(msgspec.to_builtins(evaluation), allow_nan=False))


def rivals_of_one_world(**sizes):
    """Two models and a baseline on the same rows."""
    made = [
        contender(name, thrown(1, lift=lift, **sizes), thrown(2, lift=lift, **sizes))
        for name, lift in (("weak", 1.5), ("strong", 4.0), ("amount alone", 0.2))
    ]
    return made[:2], made[2:]


def intervals(value):
    """Every figure with an interval, wherever it stands."""
    if isinstance(value, dict):
        if value.keys() == {"value", "low", "high", "unit"}:
            yield value
        for inner in value.values():
            yield from intervals(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from intervals(inner)


@pytest.fixture(scope="module")
def figures():
    contenders, baselines = rivals_of_one_world()
    return judge(contenders, baselines, "strong", None, **QUICK)


def test_what_was_written_as_json_is_an_evaluation_again(figures):
    again = msgspec.convert(figures, Evaluation)
    assert json.loads(json.dumps(msgspec.to_builtins(again))) == figures


COUNTED = {"alerts", "alerts_per_day", "frauds_caught", "frauds_missed", "precision", "recall",
           "good_customers_flagged", "saved", "lost", "review", "cost"}  # fmt: skip
OF_0_1 = {
    "": {"champion", "costs", "flags_nothing", "confidence", "resamples", "seed", "test", "validation", "models",
         "best_possible", "policies", "levels", "sweep", "missing"},
    "costs": {"review_cost", "loss_rate", "alerts_per_day"},
    "test": {"transactions", "days", "first", "last", "customers", "merchants", "frauds", "fraud_share", "amount",
             "fraud_amount", "amounts_missing"},
    "models": {"name", "is_baseline", "threshold", "medium", "metrics", "card_precision_possible", "share_of_best",
               "confusion", "money", "kinds", "importances", "milliseconds_per_1000_rows"},
    "policies": {"name", "meaning", "threshold", "money", "champion_better_by"},
    "levels": {"level", "threshold", *COUNTED},
    "sweep": {"threshold", "is_chosen", "gain", *COUNTED},
}  # fmt: skip


OF_MONEY = {*COUNTED, "gain"}
OF_METRICS = {"average_precision", "roc_auc", "brier", "precision", "recall", "f1", "accuracy",
              "card_precision"}  # fmt: skip


def only(value, names):
    """Without what 0.1 did not write."""
    if isinstance(value, list):
        return [only(each, names) for each in value]
    assert names <= set(value)
    return {name: value[name] for name in names}


def test_what_0_1_wrote_can_still_be_read(figures):
    """Programs read metrics.json, and `models` reads the bundles of 0.1: all that they had is there, and what is new
    is optional."""
    old = only(figures, OF_0_1[""])
    for name in OF_0_1.keys() - {""}:
        old[name] = only(figures[name], OF_0_1[name])
    for model in old["models"]:
        model["money"], model["metrics"] = only(model["money"], OF_MONEY), only(model["metrics"], OF_METRICS)
    for policy in old["policies"]:
        policy["money"] = only(policy["money"], OF_MONEY)
    again = msgspec.convert(old, Evaluation)
    assert again.winner.on_validation is None
    assert again.gains == ()


def test_models_come_first_then_baselines(figures):
    assert [(each["name"], each["is_baseline"]) for each in figures["models"]] == [
        ("weak", False), ("strong", False), ("amount alone", True)]  # fmt: skip


def test_every_interval_holds_its_value(figures):
    found = list(intervals(figures))
    assert len(found) > 60
    for each in found:
        if each["low"] is not None:
            assert each["low"] - 1e-9 <= each["value"] <= each["high"] + 1e-9, each
            assert each["unit"] in ("customers", "merchants")


def test_figures_are_those_of_the_parts(figures):
    test = thrown(2, lift=4.0)
    strong = figures["models"][1]
    money = Accounting(test, review_cost=5, loss_rate=1).at(strong["threshold"])
    assert strong["metrics"]["average_precision"]["value"] == areas(test.scores, test.is_fraud).average_precision
    assert strong["money"]["alerts"] == money.alerts
    assert strong["money"]["gain"]["value"] == money.gain
    assert strong["money"]["precision"]["value"] == money.precision
    assert sum(strong["confusion"].values()) == figures["test"]["transactions"] == len(test.scores)


def test_what_is_drawn_is_what_is_said():
    """Every formula of a bootstrap, fed with each row once, gives the figure itself."""
    fair = contender("fair", thrown(1, lift=2.5, customers=60), thrown(2, lift=2.5, customers=60, with_kinds=False))
    figures_of_it = ModelFigures(fair, Costs(5, 0.8, None))
    sampled = figures_of_it.sampled()
    sums = {name: column.sum() for name, column in sampled.columns.items()}
    drawn = {name: np.array([formula(sums)]) for name, formula in sampled.formulas.items()}
    areas_not_drawn = {"roc_auc": np.array([np.nan]), "average_precision": np.array([np.nan])}
    said = msgspec.to_builtins(
        figures_of_it.evaluated({"customers": {**drawn, **areas_not_drawn}}, None, (), is_baseline=False)
    )
    figures = [each for each in intervals(said) if each["low"] is not None]
    assert len(figures) == 5 + 6  # CP@100 is left out of so few customers
    for each in figures:
        assert each["value"] == pytest.approx(each["low"], rel=1e-12)


def test_validation_stands_beside_the_test(figures):
    """Of each model and baseline, by the same formulas and at the same threshold."""
    for each, lift in zip(figures["models"], (1.5, 4.0, 0.2), strict=True):
        validation = thrown(1, lift=lift)
        found, on_validation = areas(validation.scores, validation.is_fraud), each["on_validation"]
        assert on_validation["average_precision"] == found.average_precision
        assert on_validation["roc_auc"] == found.roc_auc
        flagged = validation.scores >= each["threshold"]
        assert on_validation["precision"] == validation.is_fraud[flagged].mean()
        assert on_validation["recall"] == flagged[validation.is_fraud].mean()


def test_the_share_of_the_value_is_what_was_saved(figures):
    """At the threshold with an interval, by level, and for any other threshold."""
    weak = figures["models"][0]["money"]
    share = weak["value_recall"]
    assert share["value"] == weak["saved"] / (weak["saved"] + weak["lost"])
    assert 0 < share["low"] < share["value"] < share["high"] <= 1
    for each in (*figures["levels"], *figures["sweep"], *figures["marked"]):
        assert each["value_recall"] == pytest.approx(each["saved"] / (each["saved"] + each["lost"]))


def test_the_marked_thresholds_are_the_extremes_of_the_curve(figures):
    """No threshold saves more than the best, and none below the break-even does not lose."""
    test = thrown(2, lift=4.0)
    accounting = Accounting(test, review_cost=5, loss_rate=1)
    gains = {at: accounting.at(at).gain for at in accounting.candidates}
    named = {each["name"]: each for each in figures["marked"]}
    assert named[IN_USE]["threshold"] == figures["models"][1]["threshold"]
    assert named[MEDIUM]["threshold"] == figures["models"][1]["medium"]
    assert named[BEST_IN_TEST]["gain"] == max(gains.values()) >= named[IN_USE]["gain"]
    break_even = named[BREAK_EVEN]["threshold"]
    assert gains[break_even] >= 0
    assert all(gain < 0 for at, gain in gains.items() if at < break_even)


def test_kinds_add_up_to_all_frauds(figures):
    """Each kind's caught frauds, by the same rule as the money's; the weak model misses some."""
    weak = figures["models"][0]
    assert {kind["kind"] for kind in weak["kinds"]} == set(KINDS)
    assert sum(kind["frauds"] for kind in weak["kinds"]) == figures["test"]["frauds"]
    assert sum(kind["caught"] for kind in weak["kinds"]) == weak["money"]["frauds_caught"] < figures["test"]["frauds"]


def test_a_kind_of_which_every_fraud_was_caught_or_none_has_an_interval():
    """The fewer frauds and customers, the wider; a draw of customers would give none."""
    contenders, _ = rivals_of_one_world()
    test = contenders[0].test
    frauds = np.flatnonzero(test.is_fraud)
    names = np.full(len(test.scores), "", object)
    names[frauds], names[frauds[:4]], names[frauds[4]] = "many", "few", "one"
    for threshold, share in ((0.0, 1.0), (0.999999, 0.0)):
        one = contenders[0]._replace(test=test._replace(kinds=tuple(names.tolist())), threshold=threshold)
        kinds = {each["kind"]: each for each in judge([one], [], one.name, None, **QUICK)["models"][0]["kinds"]}
        assert {each["recall"]["value"] for each in kinds.values()} == {share}
        assert kinds["one"]["customers"] == 1
        assert kinds["few"]["customers"] == len(set(test.customers[frauds[:4]].tolist()))
        widths = [kinds[name]["recall"]["high"] - kinds[name]["recall"]["low"] for name in ("many", "few", "one")]
        assert 0 < widths[0] < widths[1] < widths[2]
        assert all(each["recall"]["low"] - 1e-9 <= share <= each["recall"]["high"] + 1e-9 for each in kinds.values())


def test_the_policies_are_the_champion_nothing_amount_and_expected_loss(figures):
    champion, nothing, amount, expected = figures["policies"]
    assert champion["champion_better_by"] is None
    assert nothing["money"]["alerts"] == 0
    assert nothing["champion_better_by"]["value"] == champion["money"]["gain"]["value"]
    assert 0 < amount["money"]["alerts"] == champion["money"]["alerts"]
    assert amount["champion_better_by"]["value"] == pytest.approx(
        champion["money"]["gain"]["value"] - amount["money"]["gain"]["value"]
    )
    assert amount["champion_better_by"]["low"] > 0
    assert expected["money"]["alerts"] > 0


@pytest.mark.parametrize("step", [1e9, 100.0, 20.0])
def test_the_rival_by_amount_raises_exactly_as_many_alerts_however_coarse_amounts_are(step):
    """Where the top amount is more common than the budget allows, some of them are drawn."""
    test = thrown(2, lift=4.0)
    coarse = test._replace(amounts=np.ceil(np.nan_to_num(test.amounts) / step) * step)
    one = contender("only", thrown(1, lift=4.0), coarse)
    policies = {each["name"]: each for each in judge([one], [], "only", None, **QUICK)["policies"]}
    amount = policies[BY_AMOUNT]
    assert amount["money"]["alerts"] == policies["only"]["money"]["alerts"] > 10
    assert amount["threshold"] in coarse.amounts
    others = np.count_nonzero(coarse.amounts > amount["threshold"])
    assert others <= np.count_nonzero(coarse.amounts >= amount["threshold"])
    assert amount["champion_better_by"]["value"] > 0


@pytest.mark.parametrize(("cap", "review_cost", "why"), [(0.0, 5.0, "cap"), (None, 1e9, "cost"), (None, 5.0, None)])
def test_a_model_that_flags_nothing_says_why(cap, review_cost, why):
    validation, test = thrown(1, lift=4.0), thrown(2, lift=4.0)
    one = contender("only", validation, test)
    if why:
        one = one._replace(threshold=NO_SCORE, medium=NO_SCORE)
    told = judge([one], [], "only", None, **{**QUICK, "alerts_per_day": cap, "review_cost": review_cost})
    assert told["flags_nothing"] == why
    own, nothing, amount, _ = told["policies"]
    if why:
        assert nothing["name"] == FLAG_NOTHING
        assert own["money"]["gain"]["value"] == 0
        assert own["money"]["frauds_caught"] == 0
        assert amount["money"]["alerts"] == own["money"]["alerts"] == 0
        assert own["threshold"] is None


def test_probability_times_amount_is_another_order_than_probability():
    """Of a small likely loss, a large less likely and a huge unlikely one, one alert goes to the large one."""
    rows = [(0.1, 1, 10, 0.9, True), (0.2, 2, 1000, 0.5, True), (0.3, 3, 100_000, 0.001, False)]
    both = judged_rows(rows, days=1)
    one = ModelPredictions("only", both, both, 0.9, 0.5, (), None)
    told = judge([one], [], "only", None, **{**QUICK, "alerts_per_day": 1})
    assert told["policies"][0]["money"]["saved"] == 10
    assert told["policies"][3]["money"]["saved"] == 1000


def test_the_truth_is_the_best_possible_and_its_own_share_is_one():
    contenders, baselines = rivals_of_one_world()
    truth = contenders[1].test.scores
    told = judge(contenders, baselines, "strong", truth, **QUICK)
    weak, strong, _ = told["models"]
    assert strong["share_of_best"]["roc_auc"]["value"] == 1
    assert strong["share_of_best"]["average_precision"]["value"] == 1
    auc, best = weak["metrics"]["roc_auc"]["value"], told["best_possible"]["roc_auc"]["value"]
    assert weak["share_of_best"]["roc_auc"]["value"] == pytest.approx((auc - 0.5) / (best - 0.5))
    assert weak["share_of_best"]["roc_auc"]["low"] < 1


def test_the_sweep_names_the_threshold_in_use(figures):
    chosen = [row for row in figures["sweep"] if row["is_chosen"]]
    assert [row["threshold"] for row in chosen] == [figures["models"][1]["threshold"]]
    alerts = [row["alerts"] for row in figures["sweep"]]
    assert alerts == sorted(alerts)


def test_without_kinds_merchants_and_importances_the_rest_is_there_and_it_is_said():
    contenders, _ = rivals_of_one_world(merchants=0, with_kinds=False)
    told = judge(contenders[:1], [], "weak", None, **QUICK)
    assert told["models"][0]["kinds"] == []
    assert told["best_possible"] is None
    assert told["test"]["merchants"] is None
    assert {each["unit"] for each in intervals(told)} <= {"customers", None}
    text = " ".join(told["missing"])
    for word in ("kind", "merchants", "importance"):
        assert word in text


def test_a_test_without_fraud_has_missing_figures_not_zeros():
    validation, test = thrown(1, lift=4.0), thrown(2, lift=4.0)
    quiet = test._replace(is_fraud=np.zeros(len(test.scores), bool), kinds=("",) * len(test.scores))
    told = judge([contender("only", validation, quiet)], [], "only", None, **QUICK)
    metrics = told["models"][0]["metrics"]
    assert [metrics[name]["value"] for name in ("roc_auc", "average_precision", "recall")] == [None] * 3
    assert told["models"][0]["money"]["recall"]["value"] is None
    assert metrics["brier"]["value"] > 0
    assert "no fraud" in told["missing"][0]


def test_a_list_of_every_other_customer_is_left_out_and_said():
    """Of 200 customers, 100 places a day say nothing; of thousands, they do."""
    few, _ = rivals_of_one_world(rows=500)
    told = judge(few[:1], [], "weak", None, **QUICK)
    assert told["models"][0]["metrics"]["card_precision"]["value"] is None
    assert told["models"][0]["card_precision_possible"] is None
    assert any("CP@100 is left out: on an average day" in sentence for sentence in told["missing"])
    many, _ = rivals_of_one_world(rows=3000, days=2, customers=100_000)
    told = judge(many[:1], [], "weak", None, **QUICK)
    assert told["models"][0]["metrics"]["card_precision"]["value"] > 0
    assert not any("CP@100" in sentence for sentence in told["missing"])


def test_a_champion_that_is_not_there_is_refused():
    contenders, baselines = rivals_of_one_world(rows=500)
    with pytest.raises(EngineError, match="got 'best', expected one of the models \\(weak, strong\\)"):
        judge(contenders, baselines, "best", None, **QUICK)


def test_other_rows_are_refused():
    """Figures side by side are only worth reading on the same rows."""
    contenders, _ = rivals_of_one_world(rows=500)
    stranger = contender("stranger", thrown(1, rows=500), thrown(3, rows=500))
    with pytest.raises(EngineError, match="stranger: got other test rows"):
        judge(contenders, [stranger], "weak", None, **QUICK)
    with pytest.raises(EngineError, match="got 3 true probabilities"):
        judge(contenders, [], "weak", np.ones(3), **QUICK)


def test_frauds_without_a_kind_have_a_name_of_their_own():
    rows = [(0.1, 1, 1, 0.5, True), (0.2, 2, 1, 0.5, True), (0.3, 3, 1, 0.5, True), (0.4, 4, 1, 0.5, False)]
    predictions = judged_rows(rows, 1)._replace(kinds=("", "theft", "theft", ""))
    masks = rows_of_kinds(predictions)
    assert list(masks) == ["theft", UNNAMED]
    np.testing.assert_array_equal(masks[UNNAMED], [True, False, False, False])
