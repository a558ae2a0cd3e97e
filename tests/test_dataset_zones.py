"""Local times of a file, by a zone that the map names: the same moments whatever the file, its form and its type."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.clock import EARLIEST, LATEST, to_ms, to_text
from risk.dataset import message_of, open_dataset
from risk.dataset.zones import to_utc, zone_names
from risk.errors import DatasetError
from risk.events import RejectReason
from tests.datasets import least_map, times_of, whole, written

BERLIN = '{ column = "t", zone = "Europe/Berlin" }'
# Around both changes of 2024: the hour from 2 to 3 is left out on March 31 and comes twice on October 27.
LOCAL = {
    "2024-03-31 01:59:59": "2024-03-31T00:59:59Z",
    "2024-03-31 02:30:00": "2024-03-31T01:30:00Z",
    "2024-03-31 03:00:00": "2024-03-31T01:00:00Z",
    "2024-07-01 00:07:00": "2024-06-30T22:07:00Z",
    "2024-10-27 01:59:59": "2024-10-26T23:59:59Z",
    "2024-10-27 02:30:00": "2024-10-27T00:30:00Z",
    "2024-10-27 03:00:00": "2024-10-27T02:00:00Z",
    "2024-12-31 23:59:00": "2024-12-31T22:59:00Z",
}


@given(
    st.sampled_from(["Europe/Berlin", "Europe/Dublin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca"]),
    st.lists(st.integers(EARLIEST, LATEST - 1), min_size=1, max_size=20),
    st.integers(1990, 2199),
)
def test_every_local_time_is_what_python_makes_of_it(zone: str, moments: list[int], year: int) -> None:
    """Of a time that comes twice the first, and one that is left out by the offset before it: fold=0. Each minute of
    a change's day is looked at, too."""
    start = datetime(year, 1, 1)
    offsets = [(start + timedelta(days=day)).replace(tzinfo=ZoneInfo(zone)).utcoffset() for day in range(366)]
    for day in [day for day in range(365) if offsets[day] != offsets[day + 1]]:
        moments = [
            *moments,
            *(to_ms((start + timedelta(days=day)).replace(tzinfo=UTC)) + m * 60_000 for m in range(1_440)),
        ]
    local = [datetime(1970, 1, 1) + timedelta(milliseconds=moment) for moment in moments]
    expected = [to_ms(one.replace(tzinfo=ZoneInfo(zone))) for one in local]
    assert to_utc(np.array(moments, np.int64), zone).tolist() == expected


@pytest.mark.parametrize(
    ("source", "pattern"),
    [
        (BERLIN, "%Y-%m-%d %H:%M:%S"),
        (BERLIN, "%Y-%m-%dT%H:%M:%S.000"),
        ('{ column = "t", format = "%d.%m.%y %H:%M:%S", zone = "Europe/Berlin" }', "%d.%m.%y %H:%M:%S"),
        ('{ columns = ["t", "u"], format = "%d/%m/%Y %H:%M:%S", zone = "Europe/Berlin" }', "%d/%m/%Y,%H:%M:%S"),
    ],
)
def test_texts_of_every_form_are_local_times(tmp_path: Path, source: str, pattern: str) -> None:
    texts = pd.Series(pd.to_datetime(list(LOCAL))).dt.strftime(pattern)
    header = "id,t,u" if "," in pattern else "id,t"
    path = written(tmp_path, "\n".join([header, *(f"{i},{text}" for i, text in enumerate(texts))]))
    made = sorted(whole(open_dataset(path, least_map(source))).block, key=lambda one: int(one.transaction_id))
    assert [to_text(one.event_time) for one in made] == list(LOCAL.values())


def test_typed_times_and_dates_without_a_zone_are_local_times(tmp_path: Path) -> None:
    path = tmp_path / "file.parquet"
    moments = pd.to_datetime(list(LOCAL))
    pd.DataFrame({"id": [f"{i}" for i in range(len(LOCAL))], "t": moments, "d": moments.date, "f": 1}).to_parquet(path)
    more = 'is_fraud = "f"\nlabelled_at = { column = "d", zone = "America/New_York" }'
    rows = whole(open_dataset(path, least_map(BERLIN, more)))
    assert {one.transaction_id: to_text(one.event_time) for one in rows.block} == {
        f"{i}": text for i, text in enumerate(LOCAL.values())
    }
    assert to_text(int(rows.labelled_at[-1])) == "2024-12-31T05:00:00Z"


def test_a_time_that_brings_its_own_zone_is_refused(tmp_path: Path) -> None:
    """Two answers to one question: as a text a bad row, as a type or a format an error at once."""
    times, bad = times_of(tmp_path, BERLIN, "2024-07-01 12:00:00", "2024-07-01T12:00:00Z", "2024-07-01 12:00:00+02:00")
    assert times == ["2024-07-01T10:00:00Z"]
    assert [reason for reason, _ in bad] == [RejectReason.BAD_TIME] * 2
    assert "expected a time such as 2024-01-31 10:00:00, without a zone, for the map says Europe/Berlin" in bad[0][1]
    assert times_of(tmp_path, BERLIN, "2024-07-01T12:00:00Z")[0] == []
    path = tmp_path / "typed.parquet"
    pd.DataFrame({"id": ["a"], "t": pd.to_datetime(["2024-07-01"]).tz_localize("UTC")}).to_parquet(path)
    with pytest.raises(DatasetError, match="expected no zone beside it, for its times bring their own"):
        open_dataset(path, least_map(BERLIN))


def test_a_refused_row_is_the_message_of_the_same_moment(tmp_path: Path) -> None:
    path = written(tmp_path, "id,t,amount\n1,2024-07-01 12:00:00,much\n")
    column_map = least_map(BERLIN, 'amount = "amount"')
    dataset = open_dataset(path, column_map)
    list(dataset.rows())
    made = message_of(dataset.bad.first[0], column_map)
    assert made is not None
    assert b'"event_time":"2024-07-01T10:00:00Z"' in made[1]


def test_names_that_mean_another_zone_on_each_machine_are_none() -> None:
    assert "Europe/Berlin" in zone_names()
    assert not {"localtime", "Factory"} & zone_names()
