package peers;

import java.sql.Connection;

/**
 * One transaction manager with its connections, ready to run.
 *
 * <p>Thread safety: each worker thread calls begin, the work and commit or rollback for itself.
 */
interface Contender extends AutoCloseable {
    /** One line: the version and the settings that matter. */
    String settings();

    /** True when all connections are opened before the first statement and closed after the commit. */
    boolean opensEarly();

    void begin() throws Exception;

    void commit() throws Exception;

    void rollback() throws Exception;

    /** A connection to the branch that takes part in the calling thread's transaction. */
    Connection open(int thread, int branch) throws Exception;

    default void close(int thread, int branch, Connection connection) throws Exception {
        connection.close();
    }

    /** Adds the workload's null resources to the calling thread's transaction. */
    void enlistNullResources() throws Exception;

    @Override
    void close() throws Exception;

    /** Starts the contender that the workload names, with every connection of its pools open. */
    static Contender start(Workload workload) throws Exception {
        for (Branch branch : workload.branches()) {
            branch.check();
        }
        return switch (workload.contender()) {
            case "bitronix_default" -> new Bitronix(workload, false);
            case "bitronix_best" -> new Bitronix(workload, true);
            case "atomikos_default" -> new Atomikos(workload, false);
            case "atomikos_best" -> new Atomikos(workload, true);
            case "narayana_default" -> new Narayana(workload, false);
            case "narayana_best" -> new Narayana(workload, true);
            default -> throw new Workload.Wrong("unknown contender \"" + workload.contender()
                    + "\": give bitronix, atomikos or narayana, with _default or _best");
        };
    }
}
