"""compare --live where the challenger decides for a share of the customers: on the others alone."""

import msgspec
import pytest

from console.start import EXIT_OK
from evaluation.live import LiveComparison
from tests.shadow_stores import ShadowWorld
from tests.test_compare_live import FIRST, LIVE, Place, place

__all__ = ["place"]


def test_what_the_challenger_decided_itself_is_left_out_and_counted(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing was given up, so nothing else is lacking, however large the share."""
    in_use, challenger = place.in_use.version, place.challenger.version
    with place.open() as store:
        store.remember_challenger(challenger, msgspec.json.encode(place.challenger).decode())
        world = ShadowWorld(store, in_use=in_use, challenger=challenger, lifts=(2.0, 5.0), a_day=100, percent=50.0)
        for day in range(LIVE):
            world.write_day(FIRST + day)
        given = sum(row.bundle_version == challenger for row in store.flags())
    assert place.run("compare", "--live", "--json", "--resamples", "20") == EXIT_OK
    said = capsys.readouterr()
    found = msgspec.json.decode(said.out, type=LiveComparison)
    assert found.agreement.transactions == 200 * LIVE - given
    assert {day.others for day in found.days} == {0}
    assert f"{given:,} transactions of these days are in no figure: {challenger} decided them itself" in said.err
    assert not any("not scored by both" in text for text in found.missing)
