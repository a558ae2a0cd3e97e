"""Logistic regression on standardised numbers and a column for each category."""

from typing import Any

import numpy as np
import onnx
from skl2onnx import to_onnx
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from risk.codes import Array
from trainer.families import BALANCES
from trainer.families.family import HUGE, TINY, Family, Parameter, Parameters, Rows, Searched
from trainer.onnx_model import GRAPH_NAME, OPSET, TREES_DOMAIN, TREES_OPSET
from trainer.reproducible import rounded

# What lies beyond depends on how wide the processor's vectors are (differences of 7e-12 were measured), and one that
# straddled a float32 would be another bundle. The rounded model is the one that is judged.
COEFFICIENT_DIGITS = 6


class Logistic:
    name = "logistic"
    parameters: tuple[Parameter, ...] = (
        Parameter("C", 1.0, TINY, HUGE, Searched(1e-3, 1e2, is_logarithmic=True)),
        Parameter("max_iter", 500, 1, 1_000_000),
    )
    balances: tuple[str, ...] = BALANCES
    libraries: tuple[str, ...] = ("scikit-learn", "skl2onnx")
    refusals: tuple[type[Exception], ...] = (ValueError,)

    def fit(self, parameters: Parameters, rows: Rows, seed: int) -> Any:
        categories = list(rows.categories)
        numbers = [column for column in range(rows.values.shape[1]) if column not in set(categories)]
        codes = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
        columns = ColumnTransformer(
            [("numbers", StandardScaler(), numbers), ("categories", codes, categories)], sparse_threshold=0.0
        )
        regression = LogisticRegression(**parameters, solver="lbfgs", random_state=seed)
        model = make_pipeline(columns, regression)
        model.fit(rows.values, rows.labels, logisticregression__sample_weight=rows.weights)
        regression.coef_ = rounded(regression.coef_, COEFFICIENT_DIGITS)
        regression.intercept_ = rounded(regression.intercept_, COEFFICIENT_DIGITS)
        return model

    def to_onnx(self, model: Any, width: int) -> onnx.ModelProto:
        served: onnx.ModelProto = to_onnx(
            model,
            np.zeros((1, width), np.float32),
            name=GRAPH_NAME,
            options={"zipmap": False},
            target_opset={"": OPSET, TREES_DOMAIN: TREES_OPSET},
        )
        return served

    def own_scores(self, model: Any, values: Array) -> Array:
        return np.asarray(model.predict_proba(values)[:, 1])


FAMILY: Family = Logistic()
