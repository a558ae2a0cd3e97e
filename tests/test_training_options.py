"""What train is asked for and cannot do: refused before a row is read, with option, value and what was expected."""

from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK, EXIT_USAGE
from tests.trainings import QUICK
from trainer.__main__ import main


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a small history."""
    folder = tmp_path_factory.mktemp("options")
    sizes = ["--customers", "60", "--days", "60"]
    assert main(["generate", "cards", str(folder / "cards.parquet"), *sizes], {}) == EXIT_OK
    return folder


def train(place: Path, into: Path, *more: str) -> int:
    command = ["train", str(place / "cards.parquet"), "--models", str(into / "models"),
               "--reports", str(into / "reports"), "--model", "logistic", *QUICK, *more]  # fmt: skip
    return main(command, {})


def refused(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], *more: str) -> str:
    """The words of a command that fails and leaves nothing behind."""
    assert train(place, tmp_path, *more) == EXIT_FAILED
    assert not (tmp_path / "models").exists()
    assert not (tmp_path / "reports").exists()
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--split", "random", "--test", "2024-12-08.."], "--split random: got --train, --validation or"),
        (["--train", "yesterday"], "--train: got 'yesterday'"),
        (["--review-cost", "-1"], "--review-cost: got -1.0"),
        (["--seed", "-5"], "--seed: got -5, expected a number from 0 to 2,147,483,647"),
        (["--resamples", "19"], "--resamples: got 19, expected a number from 20 to 100,000"),
        (["--currency", "COINS"], "--currency: got 'COINS'"),
        (["--search", "-1"], "--search: got -1"),
        (["--label-delay", "1d"], "--label-delay: got '1d', expected whole days from 2d"),
        (["--label-delay", "2d"], "label delay: got 2 days, and transactions 1 days late, expected at least 3 days"),
    ],
)
def test_options_that_cannot_be_used_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    assert words in refused(place, tmp_path, capsys, *more)


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--seed", "abc"], "argument --seed: got 'abc', expected a whole number such as 42"),
        (["--loss-rate", "nan"], "argument --loss-rate: got 'nan', expected a number such as 0.4"),
        (["--alerts-per-day", "inf"], "argument --alerts-per-day: got 'inf', expected a number such as 0.4"),
        (["--loss-rate", "40%"], "argument --loss-rate: got '40%', expected a number such as 0.4; 40 % is 0.4"),
        (["--search", "2.5"], "argument --search: got '2.5', expected a whole number"),
    ],
)
def test_what_is_no_number_is_refused_with_an_example(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], words: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        train(place, tmp_path, *more)
    assert ended.value.code == EXIT_USAGE
    assert words in capsys.readouterr().err


def test_a_folder_is_no_file_to_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", str(tmp_path)], {}) == EXIT_FAILED
    assert f"{tmp_path}: is a folder without CSV, Parquet or NDJSON files: expected a file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[lightgbm]\ntrees = 3", "got 'trees' in [lightgbm], expected one of n_estimators"),
        ("[perceptron]\nn = 3", "got [perceptron], expected tables named lightgbm, logistic"),
        ("[logistic]\nC = 'a lot'", "got C = 'a lot'"),
        ("[random-forest]\nn_estimators = 2.5", "got n_estimators = 2.5"),
        ("lightgbm", "is not TOML"),
        ("[lightgbm]\nlearning_rate = -1", "got learning_rate = -1 in [lightgbm], expected a number from 1e-12 to 10"),
        ("[lightgbm]\nnum_leaves = 1", "got num_leaves = 1 in [lightgbm], expected a whole number from 2 to 131072"),
        (
            "[lightgbm]\nn_estimators = 1e3",
            "got n_estimators = 1000.0 in [lightgbm], expected a whole number from 1 to",
        ),
        ("[random-forest]\nmax_features = 'x'", "got max_features = 'x' in [random-forest], expected a number from"),
        ("n_estimators = 5", "got n_estimators outside of a table, expected it below a line such as [lightgbm]"),
        ("[[lightgbm]]", "got lightgbm outside of a table"),
        ("[logistic]\nC = nan", "got C = nan in [logistic], expected a number from"),
        ("[random-forest]\nmax_features = 1.5", "got max_features = 1.5 in [random-forest]"),
    ],
)
def test_hyper_parameters_that_do_not_exist_are_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str
) -> None:
    (tmp_path / "odd.toml").write_text(text)
    assert words in refused(place, tmp_path, capsys, "--params", str(tmp_path / "odd.toml"))
