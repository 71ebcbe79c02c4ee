package peers;

import com.atomikos.datasource.xa.XATransactionalResource;
import com.atomikos.icatch.config.Configuration;
import com.atomikos.icatch.jta.UserTransactionManager;
import com.atomikos.jdbc.AtomikosDataSourceBean;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.transaction.xa.XAResource;

/** Atomikos TransactionsEssentials with its own pools. */
final class Atomikos implements Contender {
    private static final int ACTIVE_DEFAULT = 50;
    private static final int CHECKPOINT_INTERVAL_BEST = 100_000;
    private static final int SECONDS_PER_DAY = 24 * 60 * 60;

    private final boolean best;
    private final boolean durable;
    private final int activesMax;
    private final UserTransactionManager manager = new UserTransactionManager();
    private final List<AtomikosDataSourceBean> pools = new ArrayList<>();
    private final List<XAResource> nullResources = new ArrayList<>();

    Atomikos(Workload workload, boolean best) throws Exception {
        this.best = best;
        this.durable = workload.durable();
        set("tm_unique_name", workload.contender());
        set("log_base_dir", workload.logDirectory().toString());
        set("enable_logging", String.valueOf(durable));
        // Its default of 50 would refuse the threads beyond.
        activesMax = Math.max(ACTIVE_DEFAULT, 2 * workload.threads());
        set("max_actives", String.valueOf(activesMax));
        // No recovery scan during a turn; the scan when a pool is opened stays.
        set("recovery_delay", String.valueOf(SECONDS_PER_DAY * 1000L));
        if (best) {
            set("checkpoint_interval", String.valueOf(CHECKPOINT_INTERVAL_BEST));
        }
        manager.init();
        for (Branch branch : workload.branches()) {
            pools.add(pool(branch, workload.threads()));
        }
        for (int i = 0; i < workload.nullResources(); ++i) {
            XAResource resource = new NullResource();
            Configuration.addResource(new Registration("null_" + i, resource));
            nullResources.add(resource);
        }
    }

    private static void set(String property, String value) {
        System.setProperty("com.atomikos.icatch." + property, value);
    }

    private AtomikosDataSourceBean pool(Branch branch, int connections) throws SQLException {
        AtomikosDataSourceBean pool = new AtomikosDataSourceBean();
        pool.setUniqueResourceName(branch.name());
        pool.setXaDataSource(branch.xaDataSource(best));
        pool.setPoolSize(connections);
        if (best) {
            pool.setMaintenanceInterval(SECONDS_PER_DAY);
        }
        pool.init();
        return pool;
    }

    @Override
    public String settings() {
        return "Atomikos TransactionsEssentials 6.0.0, log " + (durable ? "forced" : "off")
                + ", recovery scan once a day, at most " + activesMax + " transactions active"
                + (best ? ", checkpoint every " + CHECKPOINT_INTERVAL_BEST
                        + " records, no pool maintenance, statements prepared by the server, "
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
            // It refuses to commit while a resource that it did not open itself is still enlisted.
            manager.getTransaction().delistResource(resource, XAResource.TMSUCCESS);
        }
    }

    @Override
    public void close() {
        for (AtomikosDataSourceBean pool : pools) {
            pool.close();
        }
        manager.close();
    }

    /** What Atomikos asks for before it accepts a resource that is no data source of its own. */
    private static final class Registration extends XATransactionalResource {
        private final XAResource resource;

        Registration(String name, XAResource resource) {
            super(name);
            this.resource = resource;
        }

        @Override
        protected XAResource refreshXAConnection() {
            return resource;
        }

        @Override
        public boolean usesXAResource(XAResource other) {
            return other == resource;
        }
    }
}
