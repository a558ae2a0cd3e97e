"""From a file through a real Kafka and a worker into a history, and a model of it: the same as from the file."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from console.start import EXIT_OK
from risk.bundle import Bundle, read_bundle
from testing.brokers import TestKafka
from testing.systems import System, system
from tests.kafka_tampering import messages, send_and_abort
from tests.trainings import QUICK
from trainer.__main__ import main

PARAMETERS = "[lightgbm]\nn_estimators = 20\n"


def file_of(folder: Path) -> Path:
    """Cards with whole seconds, so that many happen at once, a row in ten thousand twice, and some that nobody can
    read."""
    cards = folder / "cards.parquet"
    assert main(["generate", "cards", str(cards), "--customers", "120", "--days", "110"], {}) == EXIT_OK
    table = pq.read_table(cards)
    minutes = np.array(table["event_time"].cast(pa.int64())) // 60_000 * 60_000
    times = pa.array(minutes, pa.timestamp("ms", tz="UTC"))
    table = table.set_column(table.schema.names.index("event_time"), "event_time", times)
    table = table.append_column("balance", pa.array(np.random.default_rng(3).normal(size=len(table))))
    places = np.sort(np.concatenate([np.arange(len(table)), np.arange(0, len(table), 10_000)]))
    table = table.take(pa.array(places))
    refund = table.slice(500, 1).to_pylist()[0] | {"transaction_id": "REFUND", "amount": -5.0}
    bad = pa.Table.from_pylist([refund], schema=table.schema)
    table = pa.concat_tables([table.slice(0, 501), bad, table.slice(501)])
    pq.write_table(table, folder / "mine.parquet")
    return folder / "mine.parquet"


def train(at_work: System, file: Path, models: Path) -> Bundle:
    parameters = at_work.folder / "few.toml"
    parameters.write_text(PARAMETERS)
    folders = ["--models", str(models), "--reports", str(at_work.folder / "reports")]
    words = ["--model", "lightgbm", "--params", str(parameters), *QUICK]
    said = at_work.run(main, "train", str(file), *folders, *words)
    assert said.code == EXIT_OK, said.err
    version = next(path.name for path in models.iterdir() if path.name.startswith("lightgbm"))
    return read_bundle(models / version)


@pytest.mark.proof
@pytest.mark.parametrize("partitions", [1, 3])
def test_what_went_through_a_stream_teaches_what_the_file_does(
    partitions: int, kafka: TestKafka, prefix: str, tmp_path: Path
) -> None:
    """The model's bytes are the same, so is the rest that decides scores, and each backtest comes to one digest. Out of
    the store and out of the log comes the same file."""
    with system(kafka, prefix, tmp_path, partitions=partitions) as at_work:
        file = file_of(tmp_path)
        ours = train(at_work, file, at_work.models)
        (at_work.models / "current").write_text(ours.manifest.version + "\n")
        at_work.replay(file)
        [aborted, *_] = messages(at_work.address, at_work.topics.transactions, 0)
        again = aborted._replace(value=(aborted.value or b"").replace(b'"transaction_id":"', b'"transaction_id":"x'))
        send_and_abort(at_work.address, at_work.topics.transactions, 0, [again])
        worker = at_work.start()
        at_work.until_scored()
        worker.stop()
        out = tmp_path / "history.parquet"
        log = tmp_path / "log.parquet"
        for source, target in (("--from-store", out), ("--from-log", log)):
            words = ["history", source, str(target), "--bundle", str(at_work.models), "--until", "2025-01-01"]
            said = at_work.run(main, *words)
            assert said.code == EXIT_OK, said.err
        assert log.read_bytes() == out.read_bytes()
        theirs = train(at_work, out, tmp_path / "again")
        assert theirs.onnx == ours.onnx
        for name in ("features", "calibration", "thresholds", "drift", "score_histogram"):
            assert getattr(theirs.manifest, name) == getattr(ours.manifest, name), name
        first = at_work.digest_of(out)
        (at_work.models / "current").unlink()
        theirs.folder.rename(at_work.models / theirs.manifest.version)
        (at_work.models / "current").write_text(theirs.manifest.version + "\n")
        assert at_work.digest_of(out) == first == at_work.digest_of(file)
