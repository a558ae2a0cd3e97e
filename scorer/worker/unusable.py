"""What the log names and this worker cannot use: bundles that are gone, rule sets that do not fit them, and pairs that
no share can be of. What names them came out of Kafka, where anybody may write, so it is no reason to end: it would be
read again at every start. It is told, and the current bundle decides in its place."""

import logging
from pathlib import Path

from risk.versions import Versions

log = logging.getLogger(__name__)

# Anybody can write flags that name bundles and rule sets: so many that cannot be used are told, each once, and so many
# are known, the newest.
MISSING_TOLD, MISSING_KEPT = 100, 10_000


class Unusable:
    def __init__(self, models: Path, rules_folder: Path) -> None:
        self._models, self._rules_folder = models, rules_folder
        self._known: dict[Versions, None] = {}  # a bundle, one beside a rule set, or two that no share can be of
        self._told = 0

    def __contains__(self, versions: Versions) -> bool:
        return versions in self._known

    def has(self, single: Versions) -> bool:
        """Whether this bundle cannot be used, beside these rules or at all."""
        return single in self._known or Versions(single.bundle) in self._known

    def add(self, versions: Versions) -> None:
        self._known[versions] = None
        if len(self._known) > MISSING_KEPT:
            del self._known[next(iter(self._known))]

    def tell(self, versions: Versions, why: str, decides: Versions, *, is_of_rules: bool = False) -> None:
        """`decides`: what scores their transactions in their place."""
        self._told += 1
        if self._told <= MISSING_TOLD:
            what, folder = ("rule set", self._rules_folder) if is_of_rules else ("bundle", self._models)
            log.warning(
                "the log has flags of %s, which cannot be used (%s); %s scores their transactions again. To "
                "repeat what was said instead: stop the workers, bring the %s to %s, start them again",
                versions, why, decides, what, folder,
            )  # fmt: skip

    def look_again(self, *names: str | None) -> None:
        """These bundles and rule sets are at hand now."""
        there = set(names) - {None}
        self._known = {one: None for one in self._known if there.isdisjoint((*one.bundles, one.rules))}
