"""What the report says beside its figures: how to read each."""

METRICS = {
    "Average precision": "over all thresholds, how much of what is flagged is fraud. The share of fraud in the data is "
    "what chance reaches; 1 is perfect. The figure to compare models by where fraud is rare.",
    "ROC-AUC": "how often a fraud scores higher than a genuine transaction. Chance reaches 0.5; with rare fraud even "
    "0.95 may mean many false alarms.",
    "Brier score": "mean squared distance between score and outcome; lower is better. It tells whether scores are "
    "honest probabilities.",
    "Precision, recall, F1": "at the model's own threshold, transaction by transaction: of what is flagged, the share "
    "that is fraud; of the frauds, the share that is flagged; and their harmonic mean.",
    "Accuracy": "share of transactions judged rightly. It says little: flagging nothing is nearly as accurate.",
    "CP@100": "a team looks at the 100 customers with the highest score of every day: the share of these places on "
    "which there was a fraud, customers found earlier left out. Beneath it the highest that was possible.",
    "ms per 1,000": "time that the model takes for 1,000 transactions.",
}

# Figures call them by the older word, and a page may be made of older figures.
POLICIES = {"amount alone, as many alerts": "amount alone, as many cases"}

PLOTS = {
    "roc": (
        "ROC curve",
        "Each point is a threshold. The nearer a curve comes to the upper left corner the better; the dotted diagonal "
        "is chance. With rare fraud only the far left matters: one percent there can be thousands of transactions.",
    ),
    "precision_recall": (
        "Precision and recall",
        "Read it from the right: to find that share of the frauds (across), this share of what is flagged is really "
        "fraud (up). The area under a curve is its average precision.",
    ),
    "calibration": (
        "Calibration",
        "On the dotted diagonal a score means what it says: of transactions with a score of 10 %, 10 % were fraud. "
        "Below it, scores promise more fraud than there was. Bars: 95 % intervals of the champion, as whole "
        "customers vary: a burst of frauds of one customer is one piece of evidence.",
    ),
    "scores": (
        "Scores of the champion by class",
        "How many transactions got which score. The better the two heaps are apart, the easier the choice of a "
        "threshold; what lies under both will be missed or flagged in error. Both scales are stretched.",
    ),
    "confusion": (
        "Confusion matrices, each at its own threshold",
        "Above the genuine transactions, below the frauds; on the left what passed, on the right what was flagged. "
        "Percentages are of the row. Green cells are right, orange ones are wrong.",
    ),
    "importances": (
        "What the champion looks at",
        "How much average precision is lost when a feature's values are shuffled among the transactions. Features "
        "that say the same thing share their importance.",
    ),
    "cost": (
        "Cost over thresholds",
        "On the left much is flagged and reviews cost, on the right little is flagged and frauds cost. The champion's "
        "threshold was chosen on the validation period, so the dot need not lie exactly at the lowest point here.",
    ),
    "alerts_recall": (
        "Cases a day against frauds caught",
        "Choose how many customers a day the team can work (across) and read how many of the frauds it would catch "
        "(up). Dots: the thresholds in use.",
    ),
}

FLAGS_NOTHING = {
    "cap": "on the validation period the threshold of least cost raised more cases than the cap allows, and so did "
    "every other",
    "cost": "on the validation period no case was worth its review",
}

FOLDS_AFTER_SEARCH = (
    "The hyper-parameters were searched once, on the validation period of the whole training, and not again for each "
    "fold. That period lies before some of these tests and within others, so the figures here flatter a little."
)

CASE = (
    "A case is all alerts of a customer on one UTC day, however many transactions are flagged: that is what a team "
    "works and what a review costs. A fraud counts as caught if it, or an earlier transaction of the same customer on "
    "the same day, was flagged: a case can stop what comes after its first alert, not what came before."
)

EXTERNAL = (
    "Nothing was learned from these data and nothing was chosen on them: models, calibration and thresholds are those "
    "of the report above. The past of every customer and merchant begins empty here, so the first weeks are harder."
)

INTERVALS = (
    "Small print beneath a figure is its 95 % interval: {resamples:,} times the customers were drawn anew with "
    "replacement, each with all its transactions, and so were the merchants where there are enough; the wider of the "
    "two intervals is shown, with † where it is that of the merchants. Figures whose intervals lie apart differ in "
    "earnest. Where a figure has none, no draw could have given another value, or none could say it: a precision "
    "without a case, say."
)
