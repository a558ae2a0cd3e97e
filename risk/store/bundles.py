"""The bundles that scored what is stored: a flag names one, and its manifest says what that was."""

import msgspec

from risk.bundle import what_decides
from risk.errors import StoreError
from risk.store.part import Part
from risk.store.rows import StoredBundle


class Bundles(Part):
    def remember_bundle(self, version: str, manifest: str) -> None:
        """Before its first flag is stored. What a version computes never changes; of manifests the first stays."""
        with self._file.writing() as connection:
            connection.execute("insert into bundles values (?, ?) on conflict do nothing", (version, manifest))
            [known] = connection.execute("select manifest from bundles where version = ?", (version,)).fetchone()
        if known != manifest and _decides(known) != _decides(manifest):
            raise StoreError(
                f"bundle {version}: got a manifest of {len(manifest)} characters, expected the one of {len(known)} "
                "that the store knows by this version, or one that scores alike. Bring the bundle that scored what is "
                "stored, or begin with a new store."
            )

    def newest_bundles(self) -> list[str]:
        """Those that the newest flag of each partition names: what scores now."""
        with self._file.reading() as connection:
            rows = connection.execute(
                "select distinct (select bundle_version from risk_flags where source_partition = partition "
                "order by source_offset desc limit 1) as newest from partitions where newest is not null "
                "order by newest"
            ).fetchall()
        return [version for [version] in rows]

    def bundles(self) -> list[StoredBundle]:
        with self._file.reading() as connection:
            rows = connection.execute("select version, manifest from bundles order by version").fetchall()
        return [StoredBundle(*row) for row in rows]


def _decides(manifest: str) -> bytes:
    return what_decides(msgspec.json.decode(manifest))
