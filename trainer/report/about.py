"""What the data and the run were, for the report's own section."""

from collections.abc import Sequence
from typing import Any

from evaluation.result import Evaluation, Proof
from risk.bundle import Manifest
from risk.clock import SECOND, to_text
from trainer.fit import FittedModel, Session
from trainer.load import External
from trainer.train_options import TrainOptions


def about(
    train_options: TrainOptions,
    manifest: Manifest,
    session: Session,
    models: Sequence[FittedModel],
    external: External | None,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """What the data and the run were, for the report's own section."""
    data, plan = manifest.training_data, session.plan
    return {
        "version": manifest.version,
        "file": train_options.file.name,
        "SHA-256 of the file": data.sha256,
        "transactions": data.transactions,
        "from": to_text(data.first_event),
        "to": to_text(data.last_event),
        "currency": manifest.currency,
        "label delay": f"{manifest.label_delay_days} days",
        "bucket": f"{manifest.bucket_ms // SECOND} s",
        "balance": plan.balance,
        "search": plan.search,
        "seed": plan.seed,
        "features": len(manifest.features),
        "dropped": "; ".join(session.features.dropped) or "none",
        "periods": {
            name: f"{part.period or 'drawn at random'}: {len(part.rows):,} transactions, {int(part.is_fraud.sum()):,} "
            "frauds" + ("" if name == "test" else " known then")
            for name, part in zip(session.parts._fields, session.parts, strict=True)
        },
        **({} if external is None else {"external data": about_external(external)}),
        **({} if evaluation.proof is None else {"proof": _proof(evaluation.proof)}),
        "hyper-parameters": {
            each.name: ", ".join(f"{name} = {value}" for name, value in each.fit.parameters.items()) for each in models
        },
        "seconds that each stage took": {name: round(seconds, 2) for name, seconds in manifest.timings.items()},
        "libraries": manifest.libraries,
    }


def _proof(proof: Proof) -> str:
    sizes = ", ".join(str(size) for size in proof.batch_sizes)
    return (
        f"the served model differs from the trained one by at most {proof.largest_difference:.1g} on "
        f"{proof.rows:,} validation rows, and gives {proof.batch_rows:,} of them the same bits in batches of "
        f"{sizes}"
    )


def about_external(external: External) -> dict[str, Any]:
    """For the report's section on data and method."""
    times = external.matrix.event_times
    return {
        "file": external.path.name,
        "SHA-256 of the file": external.sha256,
        "transactions": external.matrix.row_count,
        "judged": len(external.part.rows),
        "from": to_text(int(times.min())),
        "to": to_text(int(times.max())),
    }
