package trustlens;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.annotation.JsonInclude;
import java.time.OffsetDateTime;
import java.util.Map;

/** As it is on its topic; what is missing is null. */
@JsonIgnoreProperties(ignoreUnknown = true)
@JsonInclude(JsonInclude.Include.NON_NULL)
record Transaction(
        String transaction_id,
        String event_time,
        String customer_id,
        String currency,
        String merchant_id,
        String merchant_category,
        Double amount,
        String channel,
        String device_id,
        String country,
        Map<String, Object> attributes) {

    /** Milliseconds since 1970, UTC. */
    long moment() {
        return OffsetDateTime.parse(event_time).toInstant().toEpochMilli();
    }
}
