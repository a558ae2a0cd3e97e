"""The commands of the trainer."""

from collections.abc import Mapping, Sequence

from console.commands import Command, carry_out, parser_of

PROGRAM = "python -m trainer"
DESCRIPTION = "Make history, look at data, compute features, train models, try them on the past."
COMMANDS = (
    Command("generate", "make a history: the worlds trustlens and cards", "trainer.generate"),
    Command("inspect", "look at a file and propose a column map", "trainer.inspection.options"),
    Command("history", "write what the store or the log knows as a file to train on", "trainer.history.options"),
    Command("features", "compute the features of a file", "trainer.features"),
    Command("train", "train models on a file; write the best as a bundle, and a report", "trainer.options"),
    Command("report", "make a bundle's report again, with cross-validation", "trainer.options"),
    Command("retrain", "train again on what the store has by now, and try it in the shadow", "trainer.retrain.options"),
    Command("models", "list bundles, and which one is in use", "trainer.promotion"),
    Command("promote", "put another bundle in use", "trainer.promotion"),
    Command("rules", "check rules beside the model, and put them in force", "trainer.rules.options"),
    Command("score", "score every row of a file, and write it again with scores", "trainer.score.options"),
    Command("backtest", "replay a file through the worker's pipeline", "trainer.backtest.options"),
    Command("compare", "say which of two bundles is better on a file, and how sure that is", "trainer.compare.options"),
    Command("sample-size", "say how many days a live comparison needs", "trainer.sample_size"),
)


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    return carry_out(parser_of(PROGRAM, DESCRIPTION, COMMANDS, arguments), arguments, environment)
