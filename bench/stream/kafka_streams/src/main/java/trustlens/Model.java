package trustlens;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** A bundle: what training learned of each feature, the model in ONNX Runtime, calibration, thresholds and reasons. */
final class Model {
    private static final int MOST_REASONS = 5;
    private static final double LEAST_SHARE = 0.01; // of the score; what moves it by less is no reason
    private static final Set<String> OWN = Set.of("amount", "hour", "night", "weekend");

    /** What was learned of one feature: of a number, or, with a vocabulary, of a category. */
    private record Learned(String name, int source, double median, double low, double high,
            Map<String, Integer> vocabulary, Object reference) {

        float prepared(double[] numbers, Transaction transaction) {
            return vocabulary == null ? prepared(numbers[source]) : code(category(name, transaction));
        }

        private float prepared(double value) {
            return (float) Math.min(Math.max(Double.isNaN(value) ? median : value, low), high);
        }

        private float code(Object word) {
            return word == null ? 0 : vocabulary.getOrDefault((String) word, 1);
        }

        float preparedReference() {
            return vocabulary == null ? prepared((Double) reference) : code(reference);
        }
    }

    record Reason(String feature, Object value, Object reference, double contribution) {}

    final String version, currency;
    final int catalogueVersion, labelDelayDays;
    final long bucket, maxLateness;
    final double medium, high;
    private final List<Learned> features = new ArrayList<>();
    private final double[] raw, probability;
    private final OrtEnvironment environment = OrtEnvironment.getEnvironment();
    private final OrtSession session;
    private final String input, output;

    Model(Path folder) throws IOException, OrtException {
        JsonNode manifest = new ObjectMapper().readTree(folder.resolve("manifest.json").toFile());
        version = manifest.get("version").asText();
        currency = manifest.get("currency").asText();
        catalogueVersion = manifest.get("catalogue_version").asInt();
        labelDelayDays = manifest.get("label_delay_days").asInt();
        bucket = manifest.get("bucket_ms").asLong();
        maxLateness = manifest.get("max_lateness_ms").asLong();
        medium = manifest.get("thresholds").get("medium").asDouble();
        high = manifest.get("thresholds").get("high").asDouble();
        raw = numbers(manifest.get("calibration").get("raw"));
        probability = numbers(manifest.get("calibration").get("probability"));
        manifest.get("features").forEach(one -> features.add(learned(one)));
        var options = new OrtSession.SessionOptions();
        options.setIntraOpNumThreads(1); // the partitions are what is done at once
        options.setInterOpNumThreads(1);
        session = environment.createSession(folder.resolve("model.onnx").toString(), options);
        input = session.getInputNames().iterator().next();
        output = List.copyOf(session.getOutputNames()).get(session.getOutputNames().size() - 1);
    }

    private static double[] numbers(JsonNode list) {
        double[] numbers = new double[list.size()];
        Arrays.setAll(numbers, place -> list.get(place).asDouble());
        return numbers;
    }

    private static Learned learned(JsonNode one) {
        String name = one.get("name").asText();
        if (one.get("type").asText().equals("category")) {
            category(name, null); // refuses a name it does not know
            Map<String, Integer> vocabulary = new HashMap<>();
            one.get("vocabulary").forEach(word -> vocabulary.put(word.asText(), 2 + vocabulary.size()));
            return new Learned(name, -1, 0, 0, 0, vocabulary, one.get("reference").textValue());
        }
        int source = Features.NAMES.indexOf(name);
        if (source < 0) {
            throw new IllegalArgumentException("feature " + name + ": expected one of " + Features.NAMES);
        }
        return new Learned(name, source, one.get("median").asDouble(), one.get("clip_low").asDouble(),
                one.get("clip_high").asDouble(), null, one.get("reference").asDouble());
    }

    private static String category(String name, Transaction transaction) {
        String word = switch (name) {
            case "merchant_category" -> transaction == null ? null : transaction.merchant_category();
            case "channel" -> transaction == null ? null : transaction.channel();
            case "country" -> transaction == null ? null : transaction.country();
            default -> throw new IllegalArgumentException(
                    "feature " + name + ": expected merchant_category, channel or country");
        };
        return word == null || word.isEmpty() ? null : word;
    }

    float[] prepare(double[] numbers, Transaction transaction) {
        float[] values = new float[features.size()];
        for (int column = 0; column < values.length; column++) {
            values[column] = features.get(column).prepared(numbers, transaction);
        }
        return values;
    }

    /** Which of the transaction's own numbers were missing. */
    List<String> imputed(double[] numbers) {
        return features.stream()
                .filter(one -> OWN.contains(one.name) && Double.isNaN(numbers[one.source]))
                .map(Learned::name)
                .toList();
    }

    String level(double score) {
        return score >= high ? "high" : score >= medium ? "medium" : "low";
    }

    /** The calibrated score of each row. */
    double[] scores(float[] values) throws OrtException {
        int width = features.size();
        long[] shape = {values.length / width, width};
        double[] scores = new double[values.length / width];
        try (var given = OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), shape);
                var result = session.run(Map.of(input, given), Set.of(output))) {
            FloatBuffer found = ((OnnxTensor) result.get(0)).getFloatBuffer();
            Arrays.setAll(scores, row -> calibrated(found.get(2 * row + 1)));
        }
        return scores;
    }

    private double calibrated(double score) {
        int place = Arrays.binarySearch(raw, score);
        if (place >= 0) {
            return probability[place];
        }
        int after = -place - 1;
        if (after == 0 || after == raw.length) {
            return probability[Math.max(0, after - 1)];
        }
        double slope = (probability[after] - probability[after - 1]) / (raw[after] - raw[after - 1]);
        return slope * (score - raw[after - 1]) + probability[after - 1];
    }

    /** What the score drops by when a feature alone is as it usually is: the largest drops. */
    List<Reason> reasons(float[] values, double[] numbers, Transaction transaction, double score) throws OrtException {
        int width = features.size();
        float[] variants = new float[width * width];
        for (int column = 0; column < width; column++) {
            System.arraycopy(values, 0, variants, column * width, width);
            variants[column * width + column] = features.get(column).preparedReference();
        }
        double[] without = scores(variants);
        List<Reason> reasons = new ArrayList<>();
        for (int column = 0; column < width; column++) {
            double drop = score - without[column];
            if (drop > 0 && drop >= LEAST_SHARE * score) {
                Learned one = features.get(column);
                Object value = one.vocabulary != null ? category(one.name, transaction)
                        : Double.isNaN(numbers[one.source]) ? null : (Object) numbers[one.source];
                reasons.add(new Reason(one.name, value, one.reference, drop));
            }
        }
        reasons.sort(Comparator.comparingDouble(Reason::contribution).reversed());
        return reasons.subList(0, Math.min(MOST_REASONS, reasons.size()));
    }
}
