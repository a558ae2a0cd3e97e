"""Who is judged, and on what: the models and the baselines, on rows that nothing was learned from."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from evaluation.comparison import ModelPredictions, judge
from risk.bundle import LearnedNumber
from risk.catalogue import HISTORY_FEATURES, LEDGER_FEATURES
from risk.codes import Array
from risk.model import Model
from trainer.training.judging import importances, milliseconds_per_1000_rows, predictions_of
from trainer.training.matrix import Matrix
from trainer.training.parts import Part
from trainer.training.session import Candidate, Session, Trained

AMOUNT_ALONE = "amount alone"
WITHOUT_PAST = "{} without history and ledger"
_WHY_ABSENT = {
    AMOUNT_ALONE: "There is no baseline by amount alone, because no amount is known in the fit period.",
    WITHOUT_PAST: "There is no baseline without history and ledger, because the champion has no feature of either.",
}
_PAST = frozenset(feature.name for feature in (*HISTORY_FEATURES, *LEDGER_FEATURES))


class Exam(NamedTuple):
    """Rows to be judged on, as the models see them."""

    matrix: Matrix
    part: Part
    values: Array  # prepared
    truth: Array | None  # the true probability of each row, where the data comes with it


class Entrant(NamedTuple):
    """A way to score, with its calibration and thresholds from validation."""

    candidate: Candidate
    raw: Callable[[Exam], Array]
    model: Model | None  # None for baselines, which are only compared with


class Judgement(NamedTuple):
    contenders: list[ModelPredictions]
    baselines: list[ModelPredictions]
    figures: dict[str, Any]


class Contest:
    """All models and baselines of a training; any number of exams, always with what validation chose."""

    def __init__(self, session: Session, trained: Sequence[Trained], champion: Trained) -> None:
        self._session, self._champion = session, champion.kind
        self._models = [_model_entrant(session, each) for each in trained]
        self._baselines = _baselines(session, champion)
        there = {each.candidate.name for each in self._baselines}
        self.absent = [why for name, why in _WHY_ABSENT.items() if name.format(champion.kind) not in there]

    @property
    def champion(self) -> Candidate:
        return next(each.candidate for each in self._models if each.candidate.name == self._champion)

    def exam(self, matrix: Matrix, part: Part, truth: Array | None) -> Exam:
        return Exam(matrix, part, matrix.prepared(self._session.preparation, part.rows), truth)

    def judge(self, exam: Exam, *, with_measures: bool) -> Judgement:
        """Figures side by side. `with_measures`: importances and speed too, which take longer than all the rest."""
        stages, plan = self._session.stages, self._session.plan
        contenders = [self._contender(each, exam, with_measures) for each in self._models]
        baselines = [self._contender(each, exam, with_measures) for each in self._baselines]
        with stages.stage("judge"):
            figures = judge(
                contenders,
                baselines,
                self._champion,
                exam.truth,
                review_cost=plan.review_cost,
                loss_rate=plan.loss_rate,
                alerts_per_day=plan.alerts_per_day,
                seed=plan.seed,
                resamples=plan.resamples,
            )
        return Judgement(contenders, baselines, figures)

    def _contender(self, entrant: Entrant, exam: Exam, with_measures: bool) -> ModelPredictions:
        candidate, session = entrant.candidate, self._session
        important: tuple[tuple[str, float], ...] = ()
        speed = None
        with session.stages.stage(f"test {candidate.name}"):
            raw = entrant.raw(exam)
            if with_measures and entrant.model is not None:
                is_fraud, seed = exam.part.is_fraud, session.plan.seed
                important = importances(entrant.model, session.names, exam.values, is_fraud, seed)
                speed = milliseconds_per_1000_rows(entrant.model, exam.values)
        return ModelPredictions(
            candidate.name,
            candidate.validation,
            predictions_of(exam.matrix, exam.part, raw, candidate.calibration),
            candidate.thresholds.high,
            candidate.thresholds.medium,
            important,
            speed,
        )


def _model_entrant(session: Session, trained: Trained) -> Entrant:
    candidate = session.candidate(trained.kind, trained.raw)
    return Entrant(candidate, lambda exam: trained.model.raw_scores(exam.values), trained.model)


def _baselines(session: Session, champion: Trained) -> list[Entrant]:
    """What anybody could do: by amount alone, and by the transaction alone."""
    found = []
    medians = {each.name: each.median for each in session.features.learned if isinstance(each, LearnedNumber)}
    if "amount" in medians:
        usual = medians["amount"]
        candidate = session.candidate(AMOUNT_ALONE, _amount_odds(session.matrix, session.parts.validation, usual))
        found.append(Entrant(candidate, lambda exam: _amount_odds(exam.matrix, exam.part, usual), None))
    columns = [column for column, name in enumerate(session.names) if name not in _PAST]
    if 0 < len(columns) < len(session.names):
        name = WITHOUT_PAST.format(champion.kind)
        trained = session.train(champion.kind, champion.parameters, columns, name)

        def raw(exam: Exam) -> Array:
            return trained.model.raw_scores(np.ascontiguousarray(exam.values[:, columns]))

        found.append(Entrant(session.candidate(name, trained.raw), raw, None))
    return found


def _amount_odds(matrix: Matrix, part: Part, usual: float) -> Array:
    """Amounts as raw scores: in (0, 1), in the same order; a missing amount is the smallest."""
    amounts = np.nan_to_num(matrix.number("amount")[part.rows])
    odds: Array = amounts / (amounts + max(usual, 1e-9))
    return odds
