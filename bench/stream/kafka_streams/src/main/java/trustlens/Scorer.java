package trustlens;

import ai.onnxruntime.OrtException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.time.LocalDate;
import java.util.List;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.errors.StreamsException;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;

/** One partition's transactions, one at a time: past out of RocksDB, features, score, flag, alert, row. */
final class Scorer implements Processor<byte[], byte[], byte[], Scorer.Message> {
    static final String PASTS = "pasts", FLAGS = "flags", ALERTS = "alerts", FEATURES_HEADER = "features";
    private static final String NEWEST = ""; // no customer is named so

    /** What comes out of a transaction goes to the partition that it came from. */
    record Message(int partition, byte[] value) {}

    private final ObjectMapper json;
    private final Model model;
    private final Ledger ledger;
    private final Features features;
    private final Rows rows;
    private final boolean showsFeatures;
    private ProcessorContext<byte[], Message> context;
    private KeyValueStore<String, byte[]> pasts;
    private long newest = Past.NEVER;

    Scorer(ObjectMapper json, Model model, Ledger ledger, Rows rows, boolean showsFeatures) {
        this.json = json;
        this.model = model;
        this.ledger = ledger;
        this.rows = rows;
        this.showsFeatures = showsFeatures;
        this.features = new Features(model.currency, ledger);
    }

    @Override
    public void init(ProcessorContext<byte[], Message> context) {
        this.context = context;
        pasts = context.getStateStore(PASTS);
        byte[] stored = pasts.get(NEWEST);
        newest = stored == null ? Past.NEVER : ByteBuffer.wrap(stored).getLong();
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        try {
            score(record);
        } catch (IOException | OrtException error) {
            throw new StreamsException(error);
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new StreamsException(error);
        }
    }

    private void score(Record<byte[], byte[]> record) throws IOException, OrtException, InterruptedException {
        var source = context.recordMetadata().orElseThrow();
        Transaction transaction = json.readValue(record.value(), Transaction.class);
        String customer = transaction.customer_id();
        long moment = transaction.moment();
        long[] own = Past.row(transaction, moment, features.minor(transaction), source.offset());
        Past past = new Past(pasts.get(customer));
        if (past.judge(own, newest, model.maxLateness) != Past.Verdict.SCORED) {
            return;
        }
        if (moment > newest) {
            newest = moment;
            pasts.put(NEWEST, ByteBuffer.allocate(Long.BYTES).putLong(newest).array());
        }
        ledger.await(newest);
        double[] numbers = features.of(transaction, own, past);
        past.add(own);
        pasts.put(customer, past.stored(newest, model.maxLateness));

        float[] values = model.prepare(numbers, transaction);
        double score = model.scores(values)[0];
        String level = model.level(score);
        boolean high = level.equals("high");
        LocalDate day = ledger.dayUsed(moment);
        Flag flag = new Flag(1, transaction.transaction_id(), customer, transaction.event_time(), score, level,
                high ? model.reasons(values, numbers, transaction, score) : List.of(), model.imputed(numbers),
                day == null ? null : day.toString(), model.version, source.topic(), source.partition(),
                source.offset());
        if (high) {
            byte[] name = json.writeValueAsBytes(
                    new Object[] {customer, transaction.transaction_id(), moment, model.version});
            send(record, source.partition(), flag.alert(transaction, model, name), null, ALERTS);
        }
        send(record, source.partition(), flag, showsFeatures ? values : null, FLAGS);
        rows.add(transaction, flag);
    }

    private void send(Record<byte[], byte[]> record, int partition, Object output, float[] values, String sink)
            throws IOException {
        var headers = new RecordHeaders();
        if (values != null) {
            ByteBuffer bytes = ByteBuffer.allocate(values.length * Float.BYTES);
            bytes.asFloatBuffer().put(values);
            headers.add(FEATURES_HEADER, bytes.array());
        }
        var message = new Message(partition, json.writeValueAsBytes(output));
        context.forward(new Record<>(record.key(), message, record.timestamp(), headers), sink);
    }
}
