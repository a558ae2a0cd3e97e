"""Which log the store was made from: another cluster's or topic's offsets would mean something else."""

import json

from risk.errors import StoreError
from risk.store.part import Part
from risk.topics import Identity


class LogIdentity(Part):
    def identity(self) -> Identity | None:
        with self._file.reading() as connection:
            row = connection.execute("select cluster_id, topic_ids, partitions, prefix from identity").fetchone()
        if row is None:
            return None
        cluster_id, topic_ids, partitions, prefix = row
        return Identity(cluster_id, json.loads(topic_ids), partitions, prefix)

    def remember_identity(self, identity: Identity) -> None:
        """The first one counts for ever; what a broker did not tell then is learned later."""
        with self._file.writing() as connection:
            known = self.identity()
            whole = identity if known is None else self._joined(known, identity)
            connection.execute("delete from identity")
            connection.execute(
                "insert into identity (cluster_id, topic_ids, partitions, prefix) values (?, ?, ?, ?)",
                (whole.cluster_id, json.dumps(whole.topic_ids, sort_keys=True), whole.partitions, whole.prefix),
            )

    def _joined(self, known: Identity, given: Identity) -> Identity:
        for what, got, expected in given.differences(known):
            raise StoreError(
                f"{self._file.path}: {what}: got {got!r}, expected {expected!r} as the store remembers it; the log "
                "is another one than this store was made from. Go back to that one, or begin with a new store."
            )
        cluster_id = known.cluster_id if known.cluster_id is not None else given.cluster_id
        return known._replace(cluster_id=cluster_id, topic_ids={**given.topic_ids, **known.topic_ids})
