package peers;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How long the workers run: until a moment, or until they have begun so many transactions in sum.
 *
 * <p>Thread safety: shared by all workers.
 */
final class Turn {
    private final long deadline;
    private final AtomicLong left;

    /** @param transactions the most to begin, or null for no such limit */
    Turn(long deadlineNanos, Long transactions) {
        this.deadline = deadlineNanos;
        this.left = transactions == null ? null : new AtomicLong(transactions);
    }

    /** True when the caller may begin one more transaction. */
    boolean goesOn() {
        return System.nanoTime() - deadline < 0 && (left == null || left.getAndDecrement() > 0);
    }
}
