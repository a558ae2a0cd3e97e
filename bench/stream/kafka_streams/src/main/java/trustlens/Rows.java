package trustlens;

import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.streams.errors.ProcessorStateException;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/** The table of flags, by JDBC. The threads share it; a batch is what came between two commits of Kafka Streams. */
final class Rows {
    static final String STORE = "rows";
    // As bench/stream/flags_table.py has them, and a key, so that what comes twice is there once.
    private static final List<String> COLUMNS = List.of("source_partition", "source_offset", "transaction_id",
            "customer_id", "event_time", "currency", "amount", "merchant_id", "merchant_category", "channel",
            "device_id", "country", "score", "level", "bundle_version");

    private final Connection connection;
    private final PreparedStatement insert;
    private List<Object[]> pending = new ArrayList<>();

    Rows(Path path) throws SQLException {
        connection = DriverManager.getConnection("jdbc:sqlite:" + path);
        String columns = String.join(", ", COLUMNS);
        try (var statement = connection.createStatement()) {
            statement.execute("pragma journal_mode = wal");
            statement.execute("pragma synchronous = normal");
            statement.execute("create table if not exists flags (" + columns
                    + ", primary key (source_partition, source_offset))");
        }
        connection.setAutoCommit(false);
        insert = connection.prepareStatement("insert or ignore into flags (" + columns + ") values ("
                + String.join(", ", COLUMNS.stream().map(name -> "?").toList()) + ")");
    }

    void add(Transaction one, Flag flag) {
        Object[] row = {flag.source_partition(), flag.source_offset(), one.transaction_id(), one.customer_id(),
            one.event_time(), one.currency(), one.amount(), one.merchant_id(), one.merchant_category(), one.channel(),
            one.device_id(), one.country(), flag.score(), flag.level(), flag.bundle_version()};
        synchronized (this) {
            pending.add(row);
        }
    }

    private synchronized void write() {
        if (pending.isEmpty()) {
            return;
        }
        try {
            for (Object[] row : pending) {
                for (int column = 0; column < row.length; column++) {
                    insert.setObject(column + 1, row[column]);
                }
                insert.addBatch();
            }
            insert.executeBatch();
            connection.commit();
            pending = new ArrayList<>();
        } catch (SQLException error) {
            throw new ProcessorStateException("cannot write rows", error);
        }
    }

    /** What has each task write the rows before it commits its offsets. */
    StoreBuilder<StateStore> beforeCommits() {
        return new StoreBuilder<>() {
            @Override public StoreBuilder<StateStore> withCachingEnabled() { return this; }
            @Override public StoreBuilder<StateStore> withCachingDisabled() { return this; }
            @Override public StoreBuilder<StateStore> withLoggingEnabled(Map<String, String> config) { return this; }
            @Override public StoreBuilder<StateStore> withLoggingDisabled() { return this; }
            @Override public StateStore build() { return new BeforeCommit(); }
            @Override public Map<String, String> logConfig() { return Map.of(); }
            @Override public boolean loggingEnabled() { return false; }
            @Override public String name() { return STORE; }
        };
    }

    /**
     * A cache of which Kafka Streams believes that it lies before a store: caches are what it flushes before every
     * commit, also when a partition is taken away (a plain store is flushed much later). The interface is one of its
     * own, not one that it promises to keep.
     */
    private final class BeforeCommit implements StateStore, CachedStateStore<Object, Object> {
        private boolean open;

        @Override public String name() { return STORE; }
        @Override public boolean persistent() { return false; }
        @Override public boolean isOpen() { return open; }
        @Override public void flush() {}
        @Override public void close() { open = false; }
        @Override public void flushCache() { write(); }
        @Override public void clearCache() {}

        @Override public boolean setFlushListener(CacheFlushListener<Object, Object> listener, boolean sendOldValues) {
            return false;
        }

        @Override public void init(StateStoreContext context, StateStore root) {
            open = true;
            context.register(root, (key, value) -> {});
        }
    }
}
