package trustlens;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.state.Stores;

/**
 * Kafka Streams as a bank would set it up: the Processor API, customers' pasts in RocksDB with a changelog, ONNX
 * Runtime, SQLite by JDBC, a thread for each core, at least once. The environment is the worker's; the first option is
 * the bundle's folder. Two more are for checks: `--show-features` puts the features of each flag into a header, and
 * with `--no-cache` the pasts are in RocksDB at once, so that after a crash they are ahead of the offsets.
 *
 * <p>What it does not do: no rejects (a message that cannot be read ends it, what is late or comes twice is passed
 * over), no sentences in reasons, no history days, no ledger of its own (others close the days), and it holds no output
 * back that a crash has it send twice.
 */
final class Main {
    private static final int COMMIT_MS = 1_000; // as for Quix Streams: nobody waits longer for a row
    private static final int LINGER_MS = 5; // Kafka Streams' own 100 would be most of an alert's time
    private static final long CACHE_BYTES = 64 << 20;

    public static void main(String[] options) throws Exception {
        String brokers = System.getenv("TRUSTLENS_BROKERS"), prefix = System.getenv("TRUSTLENS_TOPIC_PREFIX");
        Path store = Path.of(System.getenv("TRUSTLENS_DB"));
        Model model = new Model(Path.of(options[0]));
        var chosen = List.of(options);
        boolean showsFeatures = chosen.contains("--show-features");

        var settings = settings(brokers, prefix, store);
        settings.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, chosen.contains("--no-cache") ? 0 : CACHE_BYTES);
        Ledger ledger = new Ledger(model.labelDelayDays, model.bucket);
        var reading = new Properties();
        reading.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        ledger.follow(reading, prefix + "merchant-ledger");

        var streams = new KafkaStreams(topology(prefix, model, ledger, new Rows(store), showsFeatures), settings);
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> {
            if (now == KafkaStreams.State.ERROR) {
                Runtime.getRuntime().halt(1);
            }
        });
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(20))));
        streams.start();
    }

    private static Topology topology(String prefix, Model model, Ledger ledger, Rows rows, boolean showsFeatures) {
        var bytes = new ByteArrayDeserializer();
        var keys = new ByteArraySerializer();
        Serializer<Scorer.Message> values = (topic, message) -> message.value();
        StreamPartitioner<byte[], Scorer.Message> samePartition =
                (topic, key, message, count) -> Optional.of(Set.of(message.partition()));
        var pasts = Stores.keyValueStoreBuilder(
                Stores.persistentKeyValueStore(Scorer.PASTS), Serdes.String(), Serdes.ByteArray());
        var json = new ObjectMapper();
        return new Topology()
                .addSource("transactions", bytes, bytes, prefix + "transactions")
                .addProcessor("scorer", () -> new Scorer(json, model, ledger, rows, showsFeatures), "transactions")
                .addStateStore(pasts.withCachingEnabled(), "scorer")
                .addStateStore(rows.beforeCommits(), "scorer")
                .addSink(Scorer.FLAGS, prefix + "risk-flags", keys, values, samePartition, "scorer")
                .addSink(Scorer.ALERTS, prefix + "high-risk-alerts", keys, values, samePartition, "scorer");
    }

    private static Properties settings(String brokers, String prefix, Path store) {
        var settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, prefix + "kafka-streams");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, store + ".state");
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, COMMIT_MS);
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), LINGER_MS);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 512 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.COMPRESSION_TYPE_CONFIG), "snappy");
        return settings;
    }
}
