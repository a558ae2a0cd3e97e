"""compare --live and promote --challenger, on stores with rows as a worker writes them."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from console.start import EXIT_FAILED, EXIT_OK
from evaluation.live import LiveComparison
from evaluation.result import Costs
from risk.bundle import ONNX, Manifest
from risk.catalogue import EngineTerms
from risk.clock import DAY, date_ms
from risk.store import Store, open_store
from testing.bundles import write_bundle
from testing.systems import FIELDS, LEARNED
from tests.shadow_stores import ShadowWorld, all_pairs, sides
from trainer.__main__ import main
from trainer.in_force import make_current
from trainer.record import looks_before

FIRST = date_ms("2024-05-01") // DAY  # the bundles by hand were tested until 2024-04-19
LIVE = 18  # days
DUE = LIVE - 8  # the last of them is not over
COSTS = Costs(5.0, 1.0, None)


class Place:
    """Models with a bundle in use and a challenger, and a store of what both scored."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.models, self.path = folder, folder / "models", folder / "risk.db"
        self.in_use, self.challenger = (self.bundle(weight) for weight in (0.5, 0.6))
        self.environment = {"TRUSTLENS_DB": str(self.path), "TRUSTLENS_RULES": str(folder / "rules")}
        make_current(self.models, self.in_use.version)
        (self.models / "challenger").write_text(f"{self.challenger.version}\n")

    def bundle(self, weight: float, terms: EngineTerms = EngineTerms("EUR")) -> Manifest:  # noqa: B008 - a value
        made = self.folder / "made"
        manifest = write_bundle(made, FIELDS, LEARNED, [weight] * len(LEARNED), terms=terms)
        self.models.mkdir(exist_ok=True)
        made.rename(self.models / manifest.version)
        return manifest

    def open(self) -> Store:
        return open_store(self.path)

    def world(self, store: Store, lifts: tuple[float, float], in_use: str | None = None) -> ShadowWorld:
        store.remember_challenger(self.challenger.version, msgspec.json.encode(self.challenger).decode())
        return ShadowWorld(
            store, in_use=in_use or self.in_use.version, challenger=self.challenger.version, lifts=lifts, a_day=100
        )

    def run(self, *words: str) -> int:
        return main([*words, "--models", str(self.models)], self.environment)

    def current(self) -> str:
        return (self.models / "current").read_text().strip()

    def last_promotion(self) -> dict[str, object]:
        """Of what is in use."""
        lines = map(json.loads, (self.models / "promotions.ndjson").read_text().splitlines())
        last: dict[str, object] = [line for line in lines if line["by"] != "no-shadow"][-1]
        return last


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def filled(place: Place) -> Callable[..., Place]:
    def fill(lifts: tuple[float, float] = (2.0, 5.0), days: int = LIVE, given_up: float = 0.0) -> Place:
        with place.open() as store:
            world = place.world(store, lifts)
            for day in range(days):
                world.write_day(FIRST + day, given_up=given_up)
        return place

    return fill


@pytest.fixture
def out(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    return lambda: capsys.readouterr().out


def test_every_figure_is_what_counting_the_stored_rows_gives(
    filled: Callable[..., Place], out: Callable[[], str]
) -> None:
    """With stretches that were given up, and days on which another bundle was in use."""
    place = filled(given_up=0.2)
    with place.open() as store:
        other = place.world(store, (2.0, 5.0), in_use="another")
        other.write_day(FIRST + LIVE)
        pairs = all_pairs(store, place.challenger.version)
        every = [row.event_time // DAY for row in store.flags()]
    assert place.run("compare", "--live", "--json", "--resamples", "20") == EXIT_OK
    found = msgspec.json.decode(out(), type=LiveComparison)
    own = [pair for pair in pairs if pair.bundle_version == place.in_use.version]
    assert found.agreement.transactions == len(own) < len(every)
    assert [day.transactions for day in found.days] == [160] * LIVE
    assert [day.others for day in found.days] == [40] * LIVE
    judged = [pair for pair in own if pair.event_time // DAY < FIRST + DUE + 1]
    assert found.judged is not None
    assert (found.judged.days, found.judged.transactions) == (DUE + 1, len(judged))
    assert found.judged.frauds == sum(pair.is_fraud is True for pair in judged)
    assert found.judged.unlabelled == sum(pair.is_fraud is None for pair in judged)
    own_thresholds = found.judged.own_thresholds
    for money, side in zip((own_thresholds.in_use, own_thresholds.challenger), sides(judged), strict=True):
        side.check(money, COSTS, days=DUE + 1)
    equal = found.judged.equal_work
    assert equal is not None
    assert (equal.name, equal.other) == (place.challenger.version, place.in_use.version)
    assert equal.cases_per_day == own_thresholds.in_use.alerts_per_day
    assert found.missing == (
        f"{40 * LIVE:,} of the {200 * LIVE:,} transactions of these days were not scored by both: the challenger was "
        "not there yet or was given up, or another bundle was in use",
    )


def test_what_is_missing_stands_at_the_head_and_then_what_there_is(
    filled: Callable[..., Place], out: Callable[[], str]
) -> None:
    place = filled(given_up=0.2)
    assert place.run("compare", "--live") == EXIT_OK
    lines = out().splitlines()
    versions = f"{place.challenger.version} in the shadow of {place.in_use.version}, which is in use"
    assert lines[0] == (f"{versions}: 2,880 transactions that both scored, on 18 days from 2024-05-01 to 2024-05-18")
    assert lines[1].startswith("missing: 720 of the 3,600 transactions of these days were not scored by both")
    said = "\n".join(lines)
    assert "labels are not due yet: 8 days, from 2024-05-11 to 2024-05-18" in said
    assert "which count as genuine" in said
    assert "judged: 1,600 transactions on 10 days from 2024-05-01 to 2024-05-10" in said
    assert f"{place.challenger.version} is better: it catches " in said
    why = "of 8 customers one of the two catches more frauds than the other at equal work, expected 10 or more"
    assert f"that is not yet the evidence that `promote --challenger` asks for: {why}" in said
    assert "caught by one of the two alone: " in said
    assert "\nso that it is found four times in five, a difference of 5.0% of the frauds takes " in said


def test_days_can_be_chosen_and_cases_and_what_matters(filled: Callable[..., Place], out: Callable[[], str]) -> None:
    place = filled()
    words = ["--from", "2024-05-03", "--until", "2024-05-09", "--cases-per-day", "2", "--difference", "0.1"]
    assert place.run("compare", "--live", "--json", "--resamples", "20", *words) == EXIT_OK
    found = msgspec.json.decode(out(), type=LiveComparison)
    assert [found.days[0].date, found.days[-1].date, len(found.days)] == ["2024-05-03", "2024-05-08", 6]
    assert found.judged is not None
    assert found.judged.equal_work is not None
    assert found.judged.equal_work.cases_per_day == 2
    assert found.judged.for_what_matters is not None
    assert found.judged.for_what_matters.difference == 0.1


def test_days_that_were_given_up_entirely_count_as_not_scored_by_both(place: Place, out: Callable[[], str]) -> None:
    """Of eighteen days beside the bundle in use the challenger scored the last eight; then another one was in use."""
    with place.open() as store:
        world = place.world(store, (2.0, 5.0))
        for day in range(18):
            world.write_day(FIRST + day, is_given_up=day < 10)
        another = place.world(store, (2.0, 5.0), in_use="another")
        for day in range(18, 26):
            another.write_day(FIRST + day)
    assert place.run("compare", "--live", "--json", "--resamples", "20") == EXIT_OK
    found = msgspec.json.decode(out(), type=LiveComparison)
    assert [(day.transactions, day.others) for day in found.days[:18]] == [(0, 200)] * 10 + [(200, 0)] * 8
    assert len(found.days) == 18
    assert found.judged is not None
    assert (found.judged.days, found.judged.others) == (8, 2_000)
    assert found.why_no_evidence is not None
    assert "both scored 1,600, expected at least half" in found.why_no_evidence


def test_days_of_the_test_of_one_of_the_two_are_left_out(place: Place, out: Callable[[], str]) -> None:
    with place.open() as store:
        world = place.world(store, (2.0, 5.0))
        for day in range(-3, LIVE):
            world.write_day(date_ms("2024-04-20") // DAY + day)
    assert place.run("compare", "--live") == EXIT_OK
    said = out()
    assert "missing: 3 days are left out, because one of the two learned from them or was tested on them" in said
    assert "from 2024-04-20 to 2024-04-29" in said


def test_too_few_days_say_when_labels_are_due(filled: Callable[..., Place], out: Callable[[], str]) -> None:
    assert filled(days=5).run("compare", "--live") == EXIT_OK
    assert out().splitlines()[1] == (
        "missing: no day's labels are due: the first are on 2024-05-09, as event time goes, with a label delay of 7 "
        "days; labels are known until 2024-05-05"
    )


def test_a_better_challenger_is_promoted_and_the_record_has_the_evidence(
    filled: Callable[..., Place], out: Callable[[], str]
) -> None:
    place = filled(days=LIVE + 6)
    assert place.run("compare", "--live", "--json") == EXIT_OK
    evidence = json.loads(out())
    assert place.run("promote", "--challenger") == EXIT_OK
    told = f"{place.challenger.version} is in use now, and the challenger no more; before: {place.in_use.version}"
    assert told in out()
    assert place.current() == place.challenger.version
    assert not (place.models / "challenger").exists()
    promotion = place.last_promotion()
    assert promotion.pop("at")
    assert promotion == {
        "version": place.challenger.version,
        "before": place.in_use.version,
        "by": "challenger",
        "evidence": evidence,
    }
    assert place.run("promote", "--back") == EXIT_OK
    assert place.current() == place.in_use.version


@pytest.mark.parametrize(
    ("lifts", "why"),
    [((5.0, 1.0), "expected an interval above 0"), ((3.0, 3.0), "expected 10 or more, which takes about")],
)
def test_a_worse_and_an_equal_one_are_refused_and_force_is_in_the_record(
    filled: Callable[..., Place], lifts: tuple[float, float], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    place = filled(lifts)
    assert place.run("promote", "--challenger") == EXIT_FAILED
    said = capsys.readouterr().err
    assert f"--challenger: got {place.challenger.version}, expected evidence that it is better than" in said
    assert why in said
    assert ". `python -m trainer compare --live` says more; --force" in said
    assert place.current() == place.in_use.version
    assert (place.models / "challenger").exists()
    refusal = place.last_promotion()
    assert (refusal["version"], refusal["before"], refusal["refused"]) == (
        place.challenger.version,
        place.in_use.version,
        True,
    )
    looked = msgspec.convert(refusal["evidence"], LiveComparison)
    assert (looked.why_no_evidence, looked.days) == (refusal["against"], ())
    assert place.run("promote", "--challenger", "--force") == EXIT_OK
    said = capsys.readouterr().err
    assert "before, and refused" not in said, "by force it is no matter how often"
    assert f"warning: {place.challenger.version} is put in use without evidence, because of --force: " in said
    assert place.current() == place.challenger.version
    promotion = place.last_promotion()
    assert (promotion["by"], promotion["forced"]) == ("challenger", True)
    assert why in str(promotion["against"])
    evidence = msgspec.convert(promotion["evidence"], LiveComparison)
    assert evidence.why_no_evidence == promotion["against"]


def test_who_asks_until_it_says_yes_is_told_how_often_that_was(
    filled: Callable[..., Place], capsys: pytest.CaptureFixture[str]
) -> None:
    """What was refused before labels were due, or because of another bundle, was no look at them."""
    place = filled((3.0, 3.0), days=6)
    assert place.run("promote", "--challenger") == EXIT_FAILED
    with place.open() as store:
        for first, lifts in ((6, (3.0, 3.0)), (LIVE, (1.0, 9.0))):
            world = place.world(store, lifts)
            for day in range(first, LIVE if first == 6 else 4 * LIVE):
                world.write_day(FIRST + day)
            if first == 6:
                assert [place.run("promote", "--challenger") for _ in range(2)] == [EXIT_FAILED] * 2
    assert looks_before(place.models, place.challenger.version, place.in_use.version) == 2
    assert looks_before(place.models, place.challenger.version, "another") == 0
    capsys.readouterr()
    assert place.run("promote", "--challenger") == EXIT_OK
    assert "this was asked 2 times before, and refused: whoever asks again and again" in capsys.readouterr().err
    assert place.run("promote", "--back") == EXIT_OK, "what was refused was never in use"
    assert place.current() == place.in_use.version


def test_labels_that_are_not_due_are_no_evidence(
    filled: Callable[..., Place], capsys: pytest.CaptureFixture[str]
) -> None:
    place = filled(days=6)
    assert place.run("promote", "--challenger") == EXIT_FAILED
    assert "no day's labels are due: the first are on 2024-05-09" in capsys.readouterr().err
    assert place.current() == place.in_use.version


def test_what_workers_would_refuse_is_no_more_promoted_on_evidence_than_without(
    filled: Callable[..., Place], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = filled(days=LIVE + 6)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "current").write_text("rules-gone")
    assert place.run("promote", "--challenger") == EXIT_FAILED
    said = capsys.readouterr().err
    assert "expected a bundle that workers take: workers would refuse it, because it cannot be used with the" in said
    assert place.current() == place.in_use.version
    assert place.run("promote", "--challenger", "--force") == EXIT_OK
    assert "is put in use because of --force: workers would refuse it" in capsys.readouterr().err


def test_without_a_store_there_is_no_evidence_either(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    assert place.run("promote", "--challenger") == EXIT_FAILED
    assert "there is no store to compare them in" in capsys.readouterr().err
    assert "evidence" not in place.last_promotion()
    assert place.run("promote", "--challenger", "--force") == EXIT_OK
    promotion = place.last_promotion()
    assert "there is no store to compare them in" in str(promotion["against"])
    assert "evidence" not in promotion


def test_without_a_challenger_or_a_bundle_in_use_there_is_nothing_to_compare(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    (place.models / "challenger").unlink()
    for words in (["compare", "--live"], ["promote", "--challenger"]):
        assert place.run(*words) == EXIT_FAILED
        assert "which has no challenger, expected one in the shadow of" in capsys.readouterr().err
    (place.models / "current").unlink()
    for words in (["compare", "--live"], ["promote", "--challenger"]):
        assert place.run(*words) == EXIT_FAILED
        assert "where nothing is in use, expected a bundle in use and a challenger" in capsys.readouterr().err


def test_a_damaged_bundle_in_use_is_named_and_is_not_taken_for_none(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    onnx = place.models / place.in_use.version / ONNX
    onnx.write_bytes(b"half")
    asked = (["compare", "--live"], ["promote", "--challenger"], ["promote", place.challenger.version, "--shadow"])
    for words in asked:
        assert place.run(*words) == EXIT_FAILED
        said = capsys.readouterr().err
        assert f"{onnx}: got SHA-256" in said
        assert "nothing is in use" not in said
        assert "no bundle in use" not in said


def test_a_promotion_that_broke_off_behind_its_first_step_is_finished(place: Place, out: Callable[[], str]) -> None:
    (place.models / "challenger").write_text(f"{place.in_use.version}\n")
    assert place.run("promote", "--challenger") == EXIT_OK
    assert out() == f"{place.in_use.version} is in use already, and the challenger no more\n"
    assert not (place.models / "challenger").exists()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--live", "--out", "x"], "--out: got beside --live, expected without it"),
        (["--live", "--labels", "x", "--without-labels"], "--labels, --without-labels: got beside --live"),
        (["--live", "a"], "A: got beside --live"),
        (["a", "--from", "2024-01-01", "b", "c", "--json"], "--json: got without --live, expected beside it"),
        (["--live", "--difference", "5"], "--difference: got 5, expected a share between 0 and 1"),
        (["--live", "--cases-per-day", "0"], "--cases-per-day: got 0, expected more than 0"),
        (["--live", "--resamples", "3"], "--resamples: got 3, expected a number from 20"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    place: Place, words: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert place.run("compare", *words) == EXIT_FAILED
    assert expected in capsys.readouterr().err


def test_without_live_two_bundles_and_a_file_are_wanted(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        place.run("compare", "a")
    assert "the following arguments are required: B, FILE" in capsys.readouterr().err
