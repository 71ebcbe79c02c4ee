package peers;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;
import java.util.Arrays;
import java.util.Collection;
import java.util.LinkedHashSet;
import java.util.Set;

/** What a turn came to: every committed transaction's times, so that the quantiles are exact. */
final class Samples {
    private static final int ERRORS_MAX = 5;

    private long[] transactionNanos = new long[1024];
    private long[] commitNanos = new long[1024];
    private int committed;
    private long failed;
    private final Set<String> errors = new LinkedHashSet<>();

    void committed(long transaction, long commit) {
        if (committed == transactionNanos.length) {
            transactionNanos = Arrays.copyOf(transactionNanos, committed * 2);
            commitNanos = Arrays.copyOf(commitNanos, committed * 2);
        }
        transactionNanos[committed] = transaction;
        commitNanos[committed] = commit;
        ++committed;
    }

    void failed(String error) {
        ++failed;
        complaint(error);
    }

    void complaint(String error) {
        if (errors.size() < ERRORS_MAX) {
            errors.add(error);
        }
    }

    static Samples sum(Collection<Samples> parts) {
        Samples all = new Samples();
        int count = parts.stream().mapToInt(part -> part.committed).sum();
        all.transactionNanos = new long[count];
        all.commitNanos = new long[count];
        for (Samples part : parts) {
            System.arraycopy(part.transactionNanos, 0, all.transactionNanos, all.committed, part.committed);
            System.arraycopy(part.commitNanos, 0, all.commitNanos, all.committed, part.committed);
            all.committed += part.committed;
            all.failed += part.failed;
            part.errors.forEach(all::complaint);
        }
        return all;
    }

    /** The result event, but for the memory. Sorts the times, so it is the last thing asked. */
    JsonObject toJson(double seconds) {
        JsonObject result = new JsonObject();
        result.addProperty("event", "result");
        result.addProperty("committed", committed);
        result.addProperty("failed", failed);
        result.addProperty("seconds", seconds);
        result.add("transaction_us", quantiles(transactionNanos));
        result.add("commit_us", quantiles(commitNanos));
        JsonArray told = new JsonArray();
        errors.forEach(told::add);
        result.add("errors", told);
        return result;
    }

    private JsonObject quantiles(long[] nanos) {
        Arrays.sort(nanos, 0, committed);
        JsonObject result = new JsonObject();
        result.addProperty("p50", quantileMicros(nanos, 0.50));
        result.addProperty("p99", quantileMicros(nanos, 0.99));
        result.addProperty("max", quantileMicros(nanos, 1.00));
        return result;
    }

    /** The smallest time that at least this share of the transactions did not exceed; 0 when there are none. */
    private long quantileMicros(long[] sorted, double share) {
        int rank = (int) Math.ceil(share * committed);
        return rank == 0 ? 0 : Math.round(sorted[rank - 1] / 1e3);
    }
}
