package trustlens;

import static trustlens.Past.AMOUNT;
import static trustlens.Past.COUNTRY;
import static trustlens.Past.DEVICE;
import static trustlens.Past.MERCHANT;
import static trustlens.Past.NO_AMOUNT;
import static trustlens.Past.NO_TEXT;
import static trustlens.Past.OFFSET;
import static trustlens.Past.TIME;

import java.util.ArrayList;
import java.util.Currency;
import java.util.List;

/** The number features of one transaction, by the definitions of DESIGN.md ("What is exact"). */
final class Features {
    static final long HOUR = 3_600_000, DAY = 24 * HOUR;
    static final String[] WINDOWS = {"1h", "1d", "7d", "30d"};
    private static final long[] LENGTHS = {HOUR, DAY, 7 * DAY, 30 * DAY};
    static final List<String> NAMES = names();

    private final String currency;
    private final long scale; // minor units in a major one
    private final Ledger ledger;

    Features(String currency, Ledger ledger) {
        this.currency = currency;
        this.scale = Math.round(Math.pow(10, Currency.getInstance(currency).getDefaultFractionDigits()));
        this.ledger = ledger;
    }

    private static List<String> names() {
        List<String> names = new ArrayList<>(List.of("amount", "hour", "night", "weekend"));
        for (String window : WINDOWS) {
            for (String what : new String[] {"count", "sum", "mean", "max"}) {
                names.add("customer_" + what + "_" + window);
            }
        }
        names.addAll(List.of("seconds_since_last", "amount_to_mean_30d", "new_merchant_30d", "new_device_30d",
                "new_country_30d", "distinct_merchants_1d"));
        for (String window : new String[] {"1d", "7d", "30d"}) {
            for (String what : new String[] {"count", "fraud", "risk"}) {
                names.add("merchant_" + what + "_" + window);
            }
        }
        return names;
    }

    /** An amount of another currency is missing. */
    long minor(Transaction transaction) {
        return transaction.amount() == null || !currency.equals(transaction.currency())
                ? NO_AMOUNT
                : (long) Math.rint(transaction.amount() * scale);
    }

    /** In the order of NAMES; NaN is what is not known. */
    double[] of(Transaction transaction, long[] own, Past past) {
        double[] found = new double[NAMES.size()];
        long hour = Math.floorMod(own[TIME], DAY) / HOUR;
        long weekday = Math.floorMod(Math.floorDiv(own[TIME], DAY) + 3, 7L); // day 0 was a Thursday
        double amount = own[AMOUNT] == NO_AMOUNT ? Double.NaN : (double) own[AMOUNT] / scale;
        found[0] = amount;
        found[1] = hour;
        found[2] = hour >= 22 || hour < 6 ? 1 : 0;
        found[3] = weekday >= 5 ? 1 : 0;
        ofCustomer(own, past, amount, found);
        ledger.lookUp(transaction.merchant_id(), own[TIME], found, NAMES.size() - 9);
        return found;
    }

    private void ofCustomer(long[] own, Past past, double amount, double[] found) {
        long moment = own[TIME], last = Past.NEVER;
        long[] count = new long[4], known = new long[4], sum = new long[4], max = new long[4];
        boolean newMerchant = true, newDevice = true, newCountry = true;
        long[] today = new long[past.size];
        for (int row = 0; row < past.size; row++) {
            long time = past.at(row, TIME);
            if (time > moment || time <= moment - LENGTHS[3] || past.at(row, OFFSET) >= own[OFFSET]) {
                continue; // out of the window, or it arrived later
            }
            last = time; // rows are in the order of time
            newMerchant &= past.at(row, MERCHANT) != own[MERCHANT];
            newDevice &= past.at(row, DEVICE) != own[DEVICE];
            newCountry &= past.at(row, COUNTRY) != own[COUNTRY];
            long paid = past.at(row, AMOUNT);
            for (int window = 3; window >= 0 && time > moment - LENGTHS[window]; window--) {
                if (window == 1) {
                    today[(int) count[1]] = past.at(row, MERCHANT);
                }
                count[window]++;
                if (paid != NO_AMOUNT) {
                    known[window]++;
                    sum[window] += paid;
                    max[window] = Math.max(max[window], paid);
                }
            }
        }
        for (int window = 0; window < 4; window++) {
            int place = 4 + 4 * window;
            boolean none = known[window] == 0;
            found[place] = count[window];
            found[place + 1] = (double) sum[window] / scale;
            found[place + 2] = none ? Double.NaN : (double) sum[window] / (known[window] * scale);
            found[place + 3] = none ? Double.NaN : (double) max[window] / scale;
        }
        double mean = found[18];
        found[20] = last == Past.NEVER ? Double.NaN : (moment - last) / 1000.0;
        found[21] = mean == 0 ? Double.NaN : amount / mean;
        found[22] = flag(own[MERCHANT], newMerchant);
        found[23] = flag(own[DEVICE], newDevice);
        found[24] = flag(own[COUNTRY], newCountry);
        found[25] = Past.distinct(today, (int) count[1]);
    }

    private static double flag(long text, boolean isNew) {
        return text == NO_TEXT ? Double.NaN : isNew ? 1 : 0;
    }
}
