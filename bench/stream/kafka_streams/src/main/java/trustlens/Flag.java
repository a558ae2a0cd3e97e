package trustlens;

import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;

/** The score of one transaction, with the fields of docs/contracts but for `history_days`; reasons have no sentence. */
record Flag(
        int schema_version,
        String transaction_id,
        String customer_id,
        String event_time,
        double score,
        String level,
        List<Model.Reason> reasons,
        List<String> imputed,
        String ledger_day,
        String bundle_version,
        String source_topic,
        int source_partition,
        long source_offset) {

    /** What a high score is told with. */
    record Alert(
            int schema_version,
            String alert_id,
            Transaction transaction,
            double score,
            String level,
            double threshold,
            List<Model.Reason> reasons,
            List<String> imputed,
            String ledger_day,
            String bundle_version,
            int catalogue_version,
            String source_topic,
            int source_partition,
            long source_offset) {}

    private static final UUID NAMESPACE = UUID.fromString("357fa7e6-1478-5001-8603-21e84b2c8ceb");

    Alert alert(Transaction transaction, Model model, byte[] name) {
        return new Alert(1, uuid5(name), transaction, score, level, model.high, reasons, imputed, ledger_day,
                bundle_version, model.catalogueVersion, source_topic, source_partition, source_offset);
    }

    /** Version 5 of RFC 4122, which Java does not have. */
    private static String uuid5(byte[] name) {
        try {
            MessageDigest sha1 = MessageDigest.getInstance("SHA-1");
            sha1.update(ByteBuffer.allocate(16)
                    .putLong(NAMESPACE.getMostSignificantBits())
                    .putLong(NAMESPACE.getLeastSignificantBits())
                    .flip());
            ByteBuffer hash = ByteBuffer.wrap(Arrays.copyOf(sha1.digest(name), 16));
            long most = hash.getLong() & ~0xf000L | 0x5000L;
            long least = hash.getLong() & 0x3fffffffffffffffL | 0x8000000000000000L;
            return new UUID(most, least).toString();
        } catch (NoSuchAlgorithmException error) {
            throw new IllegalStateException(error); // every Java has it
        }
    }
}
