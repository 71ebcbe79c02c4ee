package peers;

import bitronix.tm.BitronixTransactionManager;
import bitronix.tm.Configuration;
import bitronix.tm.TransactionManagerServices;
import bitronix.tm.resource.ehcache.EhCacheXAResourceProducer;
import bitronix.tm.resource.jdbc.PoolingDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.transaction.xa.XAResource;

/** Bitronix with its own pools. */
final class Bitronix implements Contender {
    private static final int STATEMENTS_CACHED = 4;
    private static final int LOG_MIB_BEST = 64;
    private static final int SECONDS_PER_DAY = 24 * 60 * 60;

    private final boolean best;
    private final boolean durable;
    private final boolean asynchronous;
    private final BitronixTransactionManager manager;
    private final List<PoolingDataSource> pools = new ArrayList<>();
    private final List<XAResource> nullResources = new ArrayList<>();

    Bitronix(Workload workload, boolean best) throws SQLException {
        this.best = best;
        this.durable = workload.durable();
        // Null resources answer sooner than a thread could be woken for them.
        this.asynchronous = best && workload.nullResources() == 0;
        Configuration configuration = TransactionManagerServices.getConfiguration();
        configuration.setServerId(workload.contender());
        configuration.setLogPart1Filename(workload.logDirectory().resolve("btm1.tlog").toString());
        configuration.setLogPart2Filename(workload.logDirectory().resolve("btm2.tlog").toString());
        configuration.setJournal(durable ? "disk" : "null");
        configuration.setDisableJmx(true);
        // No recovery scan during a turn (0 is refused); the scan when a pool is opened stays.
        configuration.setBackgroundRecoveryIntervalSeconds(SECONDS_PER_DAY);
        if (best) {
            configuration.setAsynchronous2Pc(asynchronous);
            configuration.setFilterLogStatus(true);
            configuration.setMaxLogSizeInMb(LOG_MIB_BEST);
        }
        manager = TransactionManagerServices.getTransactionManager();
        for (Branch branch : workload.branches()) {
            pools.add(pool(branch, workload.threads()));
        }
        for (int i = 0; i < workload.nullResources(); ++i) {
            XAResource resource = new NullResource();
            // The documented way in for a resource that is neither JDBC nor JMS.
            EhCacheXAResourceProducer.registerXAResource("null_" + i, resource);
            nullResources.add(resource);
        }
    }

    private PoolingDataSource pool(Branch branch, int connections) throws SQLException {
        PoolingDataSource pool = new PoolingDataSource();
        pool.setUniqueName(branch.name());
        pool.setClassName(branch.xaDataSource(best).getClass().getName());
        pool.getDriverProperties().setProperty("url", branch.url(best));
        pool.getDriverProperties().setProperty("user", branch.user());
        pool.getDriverProperties().setProperty("password", branch.password());
        // These servers cannot join a branch from a second connection, although the drivers of MariaDB and
        // MySQL say that two connections to one server are the same resource manager.
        pool.setUseTmJoin(false);
        pool.setMinPoolSize(connections);
        pool.setMaxPoolSize(connections);
        if (best) {
            pool.setPreparedStatementCacheSize(STATEMENTS_CACHED);
        }
        pool.init();
        return pool;
    }

    @Override
    public String settings() {
        return "Bitronix 2.1.4, journal " + (durable ? "disk, forced writes in batches" : "null")
                + ", background recovery once a day"
                + (asynchronous ? ", 2pc.async" : "")
                + (best ? ", log status filtered, log of " + LOG_MIB_BEST + " MiB, "
                        + STATEMENTS_CACHED + " statements cached, statements prepared by the server, "
                        + "connections opened before the first statement"
                        : ", else defaults");
    }

    @Override
    public boolean opensEarly() {
        return best;
    }

    @Override
    public void begin() throws Exception {
        manager.begin();
    }

    @Override
    public void commit() throws Exception {
        manager.commit();
    }

    @Override
    public void rollback() throws Exception {
        manager.rollback();
    }

    @Override
    public Connection open(int thread, int branch) throws Exception {
        return pools.get(branch).getConnection();
    }

    @Override
    public void enlistNullResources() throws Exception {
        for (XAResource resource : nullResources) {
            manager.getTransaction().enlistResource(resource);
        }
    }

    @Override
    public void close() {
        for (PoolingDataSource pool : pools) {
            pool.close();
        }
        manager.shutdown();
    }
}
