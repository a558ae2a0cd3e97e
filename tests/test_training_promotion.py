"""Which bundle is put in use: none that ranks worse than chance or the amount, and none where it was not wanted."""

import json
import re
import shutil
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
import pytest
from msgspec.structs import replace

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.comparison import compare, paired
from evaluation.result import Costs, Evaluation, Figure, InUse
from risk.bundle import MANIFEST, ONNX, LearnedNumber, read_bundle, sealed, version_of
from risk.catalogue import EngineTerms
from risk.clock import DAY, to_text
from testing.bundles import SAME, write_bundle
from tests.evidence_cases import contender, evaluation_of, thrown
from tests.training_rows import FEATURES, made_matrix
from tests.trainings import QUICK, small_history
from trainer.__main__ import main
from trainer.beside import beside_in_use
from trainer.calibrate import predictions_of, work_of
from trainer.evaluate import Evaluated, Sample
from trainer.in_force import make_current, why_not, why_not_unasked
from trainer.report.wording import in_use_sentences
from trainer.splits import Period, part_of, true_frauds
from trainer.train_options import Plan


def figures(champion: float | None, amount: float | None = None, fraud_share: float = 0.01) -> Evaluation:
    return evaluation_of("lightgbm", champion, amount_alone=amount, fraud_share=fraud_share)


def test_a_champion_must_beat_chance_and_the_amount() -> None:
    assert why_not(figures(0.3, 0.2), None) is None
    assert why_not(figures(0.3), None) is None
    assert why_not(figures(0.2, 0.2), None) is None
    amount = "its average precision in the test is 0.2000, and amount alone reached 0.3000"
    assert why_not(figures(0.2, 0.3), None) == amount
    assert why_not(figures(0.01, 0.001), None) is not None, "what is constant ranks as chance does"
    assert why_not(figures(0.009, 0.001), "old") == (
        "its average precision in the test is 0.0090, and chance (the share of fraud) reached 0.0100"
    )


def test_where_the_test_has_no_fraud_nothing_that_is_in_use_is_replaced() -> None:
    assert why_not(figures(None, None, 0.0), None) is None
    assert why_not(figures(None, None, 0.0), "old") == (
        "its test has no fraud, so nothing says that it is as good as old, which is in use"
    )


def beside(value: float, low: float, high: float, margin: float = 0.02) -> InUse:
    one = thrown(1, rows=300)
    both = paired(("new", one), ("old", one), Costs(5, 1, None), 5, seed=1, resamples=20)
    return InUse("old", margin, replace(both, frauds_caught=Figure(value, low, high)))


@pytest.mark.parametrize(
    ("in_use", "is_as_good"),
    [
        (beside(0.05, 0.01, 0.09), True),
        (beside(0.0, -0.09, 0.09), True),  # no worse here, whatever the luck of a small test
        (beside(-0.01, -0.02, 0.0), True),  # worse by no more than the margin
        (beside(-0.01, -0.021, 0.0), False),
        (beside(-0.01, -0.021, 0.0, margin=0.03), True),
        (InUse("old", 0.02, None, "its currency is USD and not EUR"), False),
    ],
)
def test_it_must_be_as_good_as_what_is_in_use(in_use: InUse, is_as_good: bool) -> None:
    """Of a comparison with another bundle than the one in use now nothing follows."""
    found = replace(figures(0.3, 0.2), in_use=in_use)
    assert in_use.is_as_good == is_as_good
    assert (why_not(found, "old") is None) == is_as_good
    assert why_not(found, "another") is None
    assert why_not(found, None) is None


def test_a_training_replaces_nothing_that_it_was_not_compared_with() -> None:
    """As where two run at once, and the other was done first. A person may."""
    found = replace(figures(0.3, 0.2), in_use=beside(0.05, 0.01, 0.09))
    assert why_not_unasked(found, None) is None
    assert why_not_unasked(found, "old") is None
    assert why_not_unasked(found, "another") == (
        "another was put in use while it was trained, and they were never compared"
    )
    assert why_not_unasked(figures(0.3, 0.2), "another") is not None
    assert why_not_unasked(figures(0.1, 0.2), "another") == why_not(figures(0.1, 0.2), "another")


def test_what_is_said_of_the_bundle_in_use_has_both_shares_and_the_interval() -> None:
    (said, verdict) = in_use_sentences(beside(-0.01, -0.021, 0.0), "EUR")
    assert "a difference of \N{MINUS SIGN}1.0 (\N{MINUS SIGN}2.1 to +0.0) points;" in said
    assert "at most 5.0 cases a day" in said
    assert verdict == "So it is worse by perhaps more than the margin of 2.0 % of the frauds."
    assert in_use_sentences(beside(0.01, -0.1, 0.1), "EUR")[1] == "So it caught no fewer of them."
    caution = in_use_sentences(replace(beside(0.01, -0.1, 0.1), caution="it knows them"), "EUR")[2]
    assert caution == "Not quite fair: it knows them."


def turned(folder: Path) -> Path:
    """A history whose frauds are dear until the test begins, and cheap from then on."""
    dice = np.random.default_rng(8)
    count, days = 4000, 60
    times = np.sort(dice.integers(0, days * DAY, count)) + 19_000 * DAY
    frauds = dice.random(count) < 0.06
    is_late = times >= (19_000 + 48) * DAY
    amounts = np.where(frauds != is_late, dice.uniform(200, 300, count), dice.uniform(1, 100, count))
    lines = [
        f"T{row},{to_text(int(times[row]))},C{row % 300},{amounts[row]:.2f},EUR,{int(frauds[row])}"
        for row in range(count)
    ]
    path = folder / "turned.csv"
    path.write_text("transaction_id,event_time,customer_id,amount,currency,is_fraud\n" + "\n".join(lines) + "\n")
    return path


def test_a_model_that_is_worse_than_chance_is_written_and_not_put_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    assert main(["train", str(turned(tmp_path)), *folders, "--model", "logistic", *QUICK], {}) == EXIT_OK
    said = capsys.readouterr()
    (bundle,) = (tmp_path / "models").glob("logistic-*")
    assert f"warning: {bundle.name} was NOT put in use: its average precision in the test is 0.0" in said.err
    assert "chance (the share of fraud) reached" in said.err
    assert main(["promote", bundle.name, "--models", str(tmp_path / "models")], {}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"VERSION: got {bundle.name}, expected a bundle that its evaluation does not speak against" in said
    assert not (tmp_path / "models" / "current").exists()
    assert main(["promote", bundle.name, "--models", str(tmp_path / "models"), "--force"], {}) == EXIT_OK
    assert (tmp_path / "models" / "current").read_text() == f"{bundle.name}\n"
    lines = [json.loads(line) for line in (tmp_path / "models" / "promotions.ndjson").read_text().splitlines()]
    assert [(line["by"], line.get("refused"), line.get("forced")) for line in lines] == [
        ("train", True, None), ("promote", True, None), ("promote", None, True),
    ]  # fmt: skip
    assert {(line["version"], line["before"], line["against"]) for line in lines} == {
        (bundle.name, None, lines[0]["against"])
    }
    assert main(["promote", "--back", "--models", str(tmp_path / "models")], {}) == EXIT_FAILED
    assert "knows of nothing that was in use before" in capsys.readouterr().err


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A history, and a good bundle of it in use."""
    folder = tmp_path_factory.mktemp("in_use")
    small_history(folder / "c.parquet")
    (folder / "few.toml").write_text("[lightgbm]\nn_estimators = 40\n[isolation-forest]\nn_estimators = 20\n")
    assert main(training(folder, "--model", "lightgbm"), {}) == EXIT_OK
    return folder


def training(place: Path, *more: str) -> list[str]:
    return ["train", str(place / "c.parquet"), "--models", str(place / "models"), "--reports", str(place / "reports"),
            "--params", str(place / "few.toml"), *QUICK, *more]  # fmt: skip


def newest(place: Path, kind: str) -> str:
    (version,) = (path.name for path in (place / "models").glob(f"{kind}-*"))
    return version


def test_what_is_worse_than_the_bundle_in_use_is_not_put_in_use_and_promote_says_so(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An isolation forest knows no frauds. Its report says the same."""
    in_use = (place / "models" / "current").read_text().strip()
    assert main(training(place, "--model", "isolation-forest", "--alerts-per-day", "2"), {}) == EXIT_OK
    said, version = capsys.readouterr(), newest(place, "isolation-forest")
    assert f"Beside {in_use}, which was in use, each with at most 2.0 cases a day in the test" in said.out
    assert f"warning: {version} was NOT put in use: " in said.err
    assert (place / "models" / "current").read_text().strip() == in_use
    assert f"Beside {in_use}" in (place / "reports" / version / "report.html").read_text()

    promotion = ["promote", version, "--models", str(place / "models")]
    assert main(promotion, {}) == EXIT_FAILED
    assert f"VERSION: got {version}, expected a bundle that its evaluation does not" in capsys.readouterr().err
    assert main([*promotion, "--force"], {}) == EXIT_OK
    assert f"warning: {version} is put in use against its evaluation, because of --force: " in capsys.readouterr().err
    assert main(["promote", in_use, "--models", str(place / "models")], {}) == EXIT_OK
    assert f"{in_use} was not compared with {version}, which" in capsys.readouterr().err
    for back_to in (version, in_use):  # whoever goes back knows both
        assert main(["promote", "--back", "--models", str(place / "models")], {}) == EXIT_OK
        said = capsys.readouterr()
        assert f"{back_to} is in use now" in said.out
        assert "not compared" not in said.err


def test_trained_again_it_is_in_use_already_and_compared_with_nothing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_use = (place / "models" / "current").read_text().strip()
    assert main(training(place, "--model", "lightgbm"), {}) == EXIT_OK
    said = capsys.readouterr()
    assert "Beside" not in said.out
    assert f"in use      {in_use} is the current one" in said.out


def test_a_bundle_that_is_not_to_be_promoted_leaves_the_one_in_use(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_use = (place / "models" / "current").read_text()
    assert main(training(place, "--model", "lightgbm", "--review-cost", "9", "--no-promote"), {}) == EXIT_OK
    assert (place / "models" / "current").read_text() == in_use
    assert "not in use  as --no-promote asks; `python -m trainer promote lightgbm-" in capsys.readouterr().out


def test_a_bundle_of_another_label_delay_cannot_be_compared_and_is_not_replaced(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_use = (place / "models" / "current").read_text().strip()
    assert main(training(place, "--model", "logistic", "--label-delay", "5d"), {}) == EXIT_OK
    said = capsys.readouterr()
    assert (
        f"{in_use}, which was in use, could not be compared: its label delay is 7 days, and here it is 5 days."
        in said.out
    )
    assert f"it cannot be compared with {in_use}, which is in use" in said.err
    assert (place / "models" / "current").read_text().strip() == in_use
    assert main(training(place, "--model", "logistic", "--label-delay", "5d", "--no-promote"), {}) == EXIT_OK
    said = capsys.readouterr()
    assert "NOT put in use" not in said.err
    assert re.search(
        r"not in use  as --no-promote asks; `\S+ -m trainer promote logistic-\S+ --models \S+` puts it in use with "
        rf"--force alone, because it cannot be compared with {in_use}",
        said.out,
    )


def test_a_bundle_in_use_that_learned_from_the_days_of_the_test_is_said_to_be_flattered(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was fitted until validation ended on 2024-11-30; the test here begins before that."""
    periods = ["--train", "..2024-11-10", "--test", "2024-11-17..2024-12-10"]
    assert main(training(place, "--model", "logistic", "--no-promote", *periods), {}) == EXIT_OK
    assert "Not quite fair: lightgbm-" in capsys.readouterr().out


def test_where_no_case_is_allowed_all_are_equal_and_nothing_is_replaced_but_what_is_damaged(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    in_use = (place / "models" / "current").read_text().strip()
    assert main(training(place, "--model", "logistic", "--alerts-per-day", "0"), {}) == EXIT_OK
    said = capsys.readouterr()
    assert "with at most 0 cases a day neither raises one in the test, and without a case all are equal" in said.out
    (version,) = re.findall(
        rf"(\S+) was NOT put in use: it cannot be compared with {in_use}, which is in use", said.err
    )
    assert (place / "models" / "current").read_text().strip() == in_use

    models = tmp_path / "models"
    shutil.copytree(place / "models", models)
    assert main(["promote", version, "--models", str(models)], {}) == EXIT_FAILED
    (models / in_use / ONNX).write_bytes(b"half")
    assert main(["promote", version, "--models", str(models)], {}) == EXIT_OK
    said = capsys.readouterr()
    assert "It counts as if nothing were in use." in said.err
    assert said.out == f"{version} is in use now\n"


def test_a_bundle_in_use_that_cannot_score_loses_no_training(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every file of it is as it was written."""
    manifest, onnx = read_bundle(place / "models").manifest, b"of another library"
    manifest = replace(manifest, version=version_of(manifest, onnx), files={ONNX: sha256(onnx).hexdigest()})
    folder = tmp_path / "models" / manifest.version
    folder.mkdir(parents=True)
    (folder / ONNX).write_bytes(onnx)
    (folder / MANIFEST).write_bytes(msgspec.json.encode(sealed(manifest)))
    make_current(tmp_path / "models", manifest.version)
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    assert main(["train", str(place / "c.parquet"), *folders, *QUICK, "--model", "logistic"], {}) == EXIT_OK
    assert "could not be compared: it cannot score the rows of the test (" in capsys.readouterr().out
    assert (tmp_path / "models" / "current").read_text().strip() == manifest.version
    assert len(list((tmp_path / "reports").iterdir())) == 1


def test_an_attribute_that_was_text_and_is_a_number_now_cannot_be_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    dice = np.random.default_rng(3)
    frauds = dice.random(2000) < 0.1
    lines = [
        f"T{row},{to_text((19_000 + row // 40) * DAY + row)},C{row % 300},{dice.uniform(1, 100):.2f},EUR,"
        f"{1 + 8 * is_fraud},{int(is_fraud)}"
        for row, is_fraud in enumerate(frauds)
    ]
    names = ("transaction_id", "event_time", "customer_id", "amount", "currency", "band", "is_fraud")
    (tmp_path / "c.csv").write_text(",".join(names) + "\n" + "\n".join(lines) + "\n")
    folders = ["--models", str(tmp_path / "models"), "--reports", str(tmp_path / "reports")]
    for kind in ("category", "number"):
        known = "".join(f'{name} = "{name}"\n' for name in names if name != "band")
        (tmp_path / "map.toml").write_text(f'{known}[attributes]\nband = "{kind}"\n')
        more = ["--columns", str(tmp_path / "map.toml"), "--model", "logistic", *QUICK]
        assert main(["train", str(tmp_path / "c.csv"), *folders, *more], {}) == EXIT_OK
    assert "it wants attribute_band, which this history does not have, or not in that form" in capsys.readouterr().err


def test_cases_of_what_has_no_label_are_work_beside_the_bundle_in_use(tmp_path: Path) -> None:
    """Five frauds, and five dearer transactions that nobody labelled: a bundle that goes by the amount has five cases
    with these, and none is left for the frauds."""
    amounts = np.array([500.0] * 5 + [10.0] * 20 + [1_000.0] * 5)
    is_fraud = np.array([1] * 5 + [0] * 20 + [-1] * 5)
    day = 19_000
    matrix = made_matrix(np.arange(30) + day * DAY, is_fraud, np.full(30, day * DAY), amounts=amounts)
    learned = (LearnedNumber("amount", 20.0, 0.0, 5_000.0, 20.0),)
    write_bundle(tmp_path / "old", FEATURES, learned, [0.001])
    part = part_of(matrix, true_frauds(matrix, np.arange(25)), Period(day, day + 1))
    good = predictions_of(matrix, part, part.is_fraud * 0.9, SAME)
    work = work_of(matrix, part, good.raw, np.zeros(5), SAME)
    ours = contender("new", good, good)._replace(test_work=work)
    evaluation = compare([ours], [], "new", None, Costs(5, 1, None), seed=1, resamples=20)
    plan = Plan((), {}, "none", 0, 5.0, 1.0, 5.0, 1, resamples=20)
    tested, sample = Evaluated(evaluation, [ours], []), Sample(matrix, part, None)
    found = beside_in_use(read_bundle(tmp_path / "old"), EngineTerms("EUR"), tested, sample, plan, 0.02).comparison
    assert found is not None
    assert (found.cases_per_day, found.money.frauds_caught, found.other_money.frauds_caught) == (5, 5, 0)
