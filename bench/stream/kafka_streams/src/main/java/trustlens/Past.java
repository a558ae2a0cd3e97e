package trustlens;

import static trustlens.Features.DAY;

import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * What a customer did within the reach of any feature or duplicate: rows of longs in the order of event time, and as
 * such they lie in RocksDB. Texts are there as 64-bit hashes, since they are only ever compared.
 *
 * <p>Each row knows the offset it came from. A record that Kafka delivers again after a crash finds itself here, sees
 * only what arrived before it, and so gets the same features as the first time.
 */
final class Past {
    static final int TIME = 0, AMOUNT = 1, ID = 2, MERCHANT = 3, DEVICE = 4, COUNTRY = 5, OFFSET = 6, WIDTH = 7;
    static final long NO_AMOUNT = Long.MIN_VALUE, NO_TEXT = 0, NEVER = Long.MIN_VALUE;

    enum Verdict { SCORED, DUPLICATE, LATE }

    long[] rows;
    int size;

    Past(byte[] stored) {
        size = stored == null ? 0 : stored.length / (WIDTH * Long.BYTES);
        rows = new long[(size + 1) * WIDTH]; // there is room for the one that comes
        if (stored != null) {
            ByteBuffer.wrap(stored).asLongBuffer().get(rows, 0, size * WIDTH);
        }
    }

    long at(int row, int column) {
        return rows[row * WIDTH + column];
    }

    /** `newest` is the newest event time that was scored in this partition. */
    Verdict judge(long[] own, long newest, long maxLateness) {
        long moment = own[TIME], month = 30 * DAY;
        boolean duplicate = false;
        for (int row = 0; row < size; row++) {
            if (at(row, OFFSET) == own[OFFSET]) {
                return Verdict.SCORED;
            }
            long time = at(row, TIME);
            duplicate |= at(row, ID) == own[ID]
                    && at(row, OFFSET) < own[OFFSET]
                    && time > moment - month - maxLateness
                    && time <= moment + maxLateness
                    && time > newest - month - 2 * maxLateness;
        }
        if (duplicate) {
            return Verdict.DUPLICATE;
        }
        return newest != NEVER && moment < newest - maxLateness ? Verdict.LATE : Verdict.SCORED;
    }

    /** Puts a row in, behind those of the same time; one that is there already, from before a crash, stays. */
    void add(long[] own) {
        int place = size;
        for (int row = size - 1; row >= 0; row--) {
            if (at(row, OFFSET) == own[OFFSET]) {
                return;
            }
            if (at(row, TIME) > own[TIME]) {
                place = row;
            }
        }
        System.arraycopy(rows, place * WIDTH, rows, (place + 1) * WIDTH, (size - place) * WIDTH);
        System.arraycopy(own, 0, rows, place * WIDTH, WIDTH);
        size++;
    }

    /** Without what nothing can reach any more. */
    byte[] stored(long newest, long maxLateness) {
        int first = 0;
        while (first < size && at(first, TIME) <= newest - 30 * DAY - 2 * maxLateness) {
            first++;
        }
        ByteBuffer out = ByteBuffer.allocate((size - first) * WIDTH * Long.BYTES);
        out.asLongBuffer().put(rows, first * WIDTH, (size - first) * WIDTH);
        return out.array();
    }

    static long[] row(Transaction transaction, long moment, long amount, long offset) {
        return new long[] {
            moment,
            amount,
            hash(transaction.transaction_id()),
            hash(transaction.merchant_id()),
            hash(transaction.device_id()),
            hash(transaction.country()),
            offset
        };
    }

    /** FNV-1a with a finish that spreads its bits; never NO_TEXT. */
    private static long hash(String text) {
        if (text == null || text.isEmpty()) {
            return NO_TEXT;
        }
        long hash = 0xcbf29ce484222325L;
        for (int place = 0; place < text.length(); place++) {
            hash = (hash ^ text.charAt(place)) * 0x100000001b3L;
        }
        hash = (hash ^ (hash >>> 32)) * 0xd6e8feb86659fd93L;
        hash ^= hash >>> 32;
        return hash == NO_TEXT ? 1 : hash;
    }

    /** How many different texts that are not missing. */
    static int distinct(long[] texts, int count) {
        Arrays.sort(texts, 0, count);
        int found = 0;
        for (int place = 0; place < count; place++) {
            found += texts[place] != NO_TEXT && (place == 0 || texts[place] != texts[place - 1]) ? 1 : 0;
        }
        return found;
    }
}
