package trustlens;

import static trustlens.Features.DAY;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.time.Duration;
import java.time.LocalDate;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The merchant ledger, out of its topic: closed days in parts and an end mark, each day once and in order. Memory alone
 * holds it; it is read from its beginning at every start.
 */
final class Ledger {
    private static final Duration POLL = Duration.ofMillis(200);
    private static final long LONGEST_WAIT_MS = 30_000;
    private static final long[] WINDOWS = {DAY, 7 * DAY, 30 * DAY};

    /** Of one merchant: when each bucket begins, and how many transactions and frauds lie in those up to it. */
    private static final class Series {
        long[] buckets = new long[8], counts = new long[8], frauds = new long[8];
        int size;

        void add(long bucket, long count, long fraud) {
            if (size == buckets.length) {
                buckets = Arrays.copyOf(buckets, 2 * size);
                counts = Arrays.copyOf(counts, 2 * size);
                frauds = Arrays.copyOf(frauds, 2 * size);
            }
            buckets[size] = bucket;
            counts[size] = count + (size == 0 ? 0 : counts[size - 1]);
            frauds[size] = fraud + (size == 0 ? 0 : frauds[size - 1]);
            size++;
        }

        /** How many buckets begin before this. */
        int before(long moment) {
            int place = Arrays.binarySearch(buckets, 0, size, moment);
            return place < 0 ? -place - 1 : place;
        }

        static long until(long[] sums, int count) {
            return count == 0 ? 0 : sums[count - 1];
        }
    }

    private final ObjectMapper json = new ObjectMapper();
    private final int delayDays;
    private final long bucket;
    private final Map<String, Series> merchants = new HashMap<>();
    private final Map<String, JsonNode> parts = new HashMap<>();
    private long first = Long.MAX_VALUE, newest = Long.MIN_VALUE;

    Ledger(int delayDays, long bucket) {
        this.delayDays = delayDays;
        this.bucket = bucket;
    }

    /** Reads all that is there, and goes on reading beside. */
    void follow(Properties settings, String topic) throws IOException {
        var bytes = new ByteArrayDeserializer();
        var consumer = new KafkaConsumer<>(settings, bytes, bytes);
        var place = new TopicPartition(topic, 0);
        consumer.assign(List.of(place));
        consumer.seekToBeginning(List.of(place));
        long end = consumer.endOffsets(List.of(place)).get(place);
        while (consumer.position(place) < end) {
            read(consumer);
        }
        Thread beside = new Thread(() -> {
            try {
                while (true) {
                    read(consumer);
                }
            } catch (IOException error) {
                error.printStackTrace();
                Runtime.getRuntime().halt(1);
            }
        }, "ledger");
        beside.setDaemon(true);
        beside.start();
    }

    private void read(KafkaConsumer<byte[], byte[]> consumer) throws IOException {
        for (var record : consumer.poll(POLL)) {
            take(json.readTree(record.value()));
        }
    }

    synchronized void take(JsonNode message) {
        if (message.get("label_delay_days").asInt() != delayDays || message.get("bucket_ms").asLong() != bucket) {
            return;
        }
        long day = LocalDate.parse(message.get("day").asText()).toEpochDay();
        if (newest != Long.MIN_VALUE && day != newest + 1) {
            return; // the first whole one of each day counts
        }
        String version = day + "/" + message.get("digest").asText() + "/";
        if (message.get("kind").asText().equals("part")) {
            parts.put(version + message.get("part").asInt(), message);
            return;
        }
        int count = message.get("parts").asInt();
        for (int number = 0; number < count; number++) {
            if (!parts.containsKey(version + number)) {
                return;
            }
        }
        for (int number = 0; number < count; number++) {
            JsonNode part = parts.get(version + number);
            for (int row = 0; row < part.get("merchants").size(); row++) {
                merchants
                        .computeIfAbsent(part.get("merchants").get(row).asText(), name -> new Series())
                        .add(part.get("buckets").get(row).asLong(), part.get("transactions").get(row).asLong(),
                                part.get("frauds").get(row).asLong());
            }
        }
        parts.clear();
        first = Math.min(first, day);
        newest = day;
        notifyAll();
    }

    /** Waits for the days that a partition needs whose newest transaction is of this moment. */
    synchronized void await(long moment) throws InterruptedException {
        long needed = Math.floorDiv(moment, DAY) - delayDays;
        long deadline = System.currentTimeMillis() + LONGEST_WAIT_MS;
        while (newest < needed && first <= needed) {
            long left = deadline - System.currentTimeMillis();
            if (left <= 0) {
                throw new IllegalStateException("ledger: got days up to " + LocalDate.ofEpochDay(newest) + ", expected "
                        + LocalDate.ofEpochDay(needed) + " within " + LONGEST_WAIT_MS + " ms");
            }
            wait(left);
        }
    }

    /** The newest closed day that a transaction of this moment looks at; null where there is none. */
    synchronized LocalDate dayUsed(long moment) {
        long needed = Math.floorDiv(moment, DAY) - delayDays;
        return needed < first ? null : LocalDate.ofEpochDay(Math.min(needed, newest));
    }

    /** Nine features, from this place on: count, fraud and risk of a day, a week and a month. */
    synchronized void lookUp(String merchant, long moment, double[] found, int place) {
        if (merchant == null || merchant.isEmpty()) {
            Arrays.fill(found, place, place + 9, Double.NaN);
            return;
        }
        Series series = merchants.get(merchant);
        long edge = Math.floorDiv(moment - delayDays * DAY, bucket) * bucket;
        for (int window = 0; window < 3; window++) {
            long count = 0, fraud = 0;
            if (series != null) {
                int until = series.before(edge), since = series.before(edge - WINDOWS[window]);
                count = Series.until(series.counts, until) - Series.until(series.counts, since);
                fraud = Series.until(series.frauds, until) - Series.until(series.frauds, since);
            }
            found[place + 3 * window] = count;
            found[place + 3 * window + 1] = fraud;
            found[place + 3 * window + 2] = count == 0 ? 0 : (double) fraud / count;
        }
    }
}
