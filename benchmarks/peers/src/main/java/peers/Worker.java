package peers;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.util.List;
import java.util.SplittableRandom;

/** One thread's share of the workload: the transactions that it runs in a turn, one after another. */
final class Worker {
    private static final int COLD_ROWS_PER_THREAD = 100;

    private final Workload workload;
    private final Contender contender;
    private final int thread;
    private final SplittableRandom random;
    private final List<Branch> branches;
    private final Connection[] connections;
    private final PreparedStatement[] statements;
    private long coldIndex;

    Worker(Workload workload, Contender contender, int thread) {
        this.workload = workload;
        this.contender = contender;
        this.thread = thread;
        this.random = new SplittableRandom(thread);
        this.branches = workload.branches();
        this.connections = new Connection[branches.size()];
        this.statements = new PreparedStatement[branches.size()];
    }

    /** Runs transactions until the turn is over, and tells the turn of each. */
    Samples run(Turn turn) {
        Samples samples = new Samples();
        while (turn.goesOn()) {
            runTransaction(samples);
        }
        return samples;
    }

    private void runTransaction(Samples samples) {
        long start = System.nanoTime();
        boolean begun = false;
        try {
            contender.begin();
            begun = true;
            work();
            long commit = System.nanoTime();
            begun = false;
            contender.commit();
            long end = System.nanoTime();
            samples.committed(end - start, end - commit);
        } catch (Exception e) {
            samples.failed(Texts.oneLine(e));
            if (begun) {
                rollback(samples);
            }
        } finally {
            closeAll(samples);
        }
    }

    private void work() throws Exception {
        if (branches.isEmpty()) {
            contender.enlistNullResources();
            return;
        }
        boolean readOnly = random.nextDouble() < workload.readOnlyShare();
        long id = workload.hot() ? 1
                : 2L + (long) thread * COLD_ROWS_PER_THREAD + coldIndex++ % COLD_ROWS_PER_THREAD;
        if (contender.opensEarly()) {
            for (int i = 0; i < branches.size(); ++i) {
                open(i, readOnly);
            }
            for (int i = 0; i < branches.size(); ++i) {
                execute(i, readOnly, id);
            }
        } else {
            for (int i = 0; i < branches.size(); ++i) {
                open(i, readOnly);
                execute(i, readOnly, id);
                close(i);
            }
        }
    }

    private boolean reads(int branch, boolean readOnly) {
        return readOnly && branch > 0;
    }

    private void open(int branch, boolean readOnly) throws Exception {
        Branch target = branches.get(branch);
        connections[branch] = contender.open(thread, branch);
        statements[branch] = connections[branch].prepareStatement(
                reads(branch, readOnly) ? target.select() : target.update());
    }

    private void execute(int branch, boolean readOnly, long id) throws Exception {
        PreparedStatement statement = statements[branch];
        if (reads(branch, readOnly)) {
            statement.setLong(1, id);
            try (var rows = statement.executeQuery()) {
                if (!rows.next()) {
                    throw new IllegalStateException("no row " + id + " in " + branches.get(branch).table());
                }
            }
            return;
        }
        int others = branches.size() - 1;
        statement.setLong(1, branch == 0 && others > 0 ? -others : 1);
        statement.setLong(2, id);
        if (statement.executeUpdate() != 1) {
            throw new IllegalStateException("no row " + id + " in " + branches.get(branch).table());
        }
    }

    private void close(int branch) throws Exception {
        PreparedStatement statement = statements[branch];
        Connection connection = connections[branch];
        statements[branch] = null;
        connections[branch] = null;
        if (statement != null) {
            statement.close();
        }
        if (connection != null) {
            contender.close(thread, branch, connection);
        }
    }

    private void closeAll(Samples samples) {
        for (int i = 0; i < branches.size(); ++i) {
            try {
                close(i);
            } catch (Exception e) {
                samples.complaint(Texts.oneLine(e));
            }
        }
    }

    private void rollback(Samples samples) {
        try {
            contender.rollback();
        } catch (Exception e) {
            samples.complaint(Texts.oneLine(e));
        }
    }
}
