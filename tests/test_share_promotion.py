"""promote --share: a challenger that decides for some of the customers."""

import json
from pathlib import Path

import pytest

from console.start import EXIT_FAILED, EXIT_OK
from tests.test_models_command import promote, two
from tests.test_rules_promotion import rules_that_fit_one_of_two
from trainer.__main__ import main
from trainer.in_force import challenger_version, make_challenger

__all__ = ["two"]


def test_a_challenger_has_a_share_until_it_is_named_without_one(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    models, (_, second) = two
    for words, file, said in (
        (["--share", "10"], "share 10\n", f"{second} is the challenger for 10 % of the customers now"),
        (["--share", "10.0"], "share 10\n", f"{second} is the challenger for 10 % of the customers already"),
        (["--share", "12.5"], "share 12.5\n", f"{second} is the challenger for 12.5 % of the customers now"),
        ([], "", f"{second} is the challenger now; before: {second} for 12.5 % of the customers\n"),
    ):
        assert promote(models, second, "--shadow", *words) == EXIT_OK
        assert capsys.readouterr().out.startswith(said)
        assert (models / "challenger").read_text() == f"{second}\n{file}"
    promote(models, second, "--shadow", "--share", "50")
    assert json.loads((models / "promotions.ndjson").read_text().splitlines()[-1])["share"] == 50
    capsys.readouterr()
    assert main(["models", "--models", str(models)], {}) == EXIT_OK
    assert f"\n+ challenger: {second} for 50 % of the customers\n" in capsys.readouterr().out
    assert main(["promote", "--no-shadow", "--models", str(models)], {}) == EXIT_OK
    assert capsys.readouterr().out == f"{second} is the challenger for 50 % of the customers no more\n"


@pytest.mark.parametrize(
    "words", [["--share", "0"], ["--share", "60"], ["--share", "ten"], ["--share", "1_0"], ["--share", "1.25"]]
)
def test_what_is_no_share_is_refused(
    two: tuple[Path, list[str]], capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    models, (_, second) = two
    assert promote(models, second, "--shadow", *words) == EXIT_FAILED
    assert "expected a percentage of the customers, more than 0 and at most 50" in capsys.readouterr().err
    assert promote(models, second, "--share", "10") == EXIT_FAILED
    assert "--share: got 10 without --shadow" in capsys.readouterr().err
    assert challenger_version(models) is None


def test_a_share_is_refused_where_the_rules_in_force_do_not_fit_the_challenger(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the shadow it decides nothing, and need not fit them."""
    models, rules, _, without = rules_that_fit_one_of_two(tmp_path)
    words = ["promote", without, "--shadow", "--models", str(models)]
    assert main([*words, "--share", "10"], {"TRUSTLENS_RULES": str(rules)}) == EXIT_FAILED
    said = capsys.readouterr().err
    assert "--share: got" in said
    assert "got new_device_30d, expected a feature that" in said
    assert challenger_version(models) is None
    assert main(words, {"TRUSTLENS_RULES": str(rules)}) == EXIT_OK


def test_rules_that_do_not_fit_a_challenger_end_its_share_and_say_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    models, rules, _, without = rules_that_fit_one_of_two(tmp_path)
    odd = (rules / "current").read_text().strip()
    env = {"TRUSTLENS_RULES": str(rules)}

    def promote_rules(what: str) -> str:
        assert main(["rules", "promote", what, "--bundle", str(models)], env) == EXIT_OK
        return capsys.readouterr().err

    assert promote_rules("none") == ""
    make_challenger(models, without)
    assert promote_rules(odd) == ""  # in the shadow it decides nothing
    assert promote_rules("none") == ""
    make_challenger(models, without, percent=10.0)
    said = promote_rules(odd)
    assert (
        f"{without} cannot be used with {odd}, so that the bundle in use decides its 10 % of the customers too" in said
    )
    assert "got new_device_30d, expected a feature that" in said
