"""Families of models: how each is called, and where it stands. Only names, for what fits models takes seconds to load,
and nobody who asks for help waits for it. docs/training.md says how a family is added."""

# By the name that --model, --params and a bundle have for it. The place of a family is a seed of its search, so that a
# new one goes to the end: the others draw what they always drew.
FAMILIES = {
    "lightgbm": "trainer.families.lightgbm",
    "logistic": "trainer.families.logistic",
    "random-forest": "trainer.families.random_forest",
    "xgboost": "trainer.families.xgboost",
    "catboost": "trainer.families.catboost",
    "mlp": "trainer.families.mlp",
    "isolation-forest": "trainer.families.isolation_forest",
    "one-class-svm": "trainer.families.one_class_svm",
    "autoencoder": "trainer.families.autoencoder",
}
# Made of models of other families, as --ensemble says: nobody names it alone.
ENSEMBLE = "ensemble"
MADE_OF_OTHERS = {ENSEMBLE: "trainer.families.ensemble"}
# Fitted without labels: what they say may be a feature of the others, which --hybrid asks for. So hybrid-lightgbm is
# lightgbm with these features.
DETECTORS = ("isolation-forest", "one-class-svm", "autoencoder")
HYBRID = "hybrid-"
# Trained where none is named, in this order: of equal ones the first wins.
USUAL_FAMILIES = ("logistic", "random-forest", "lightgbm")

# Ways to give the few frauds weight; each family says which it can.
NONE, CLASS_WEIGHT, UNDERSAMPLE, SMOTE = "none", "class-weight", "undersample", "smote"
BALANCES = (NONE, CLASS_WEIGHT, UNDERSAMPLE, SMOTE)
