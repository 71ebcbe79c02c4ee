package peers;

import com.arjuna.ats.arjuna.common.CoordinatorEnvironmentBean;
import com.arjuna.ats.arjuna.common.ObjectStoreEnvironmentBean;
import com.arjuna.ats.arjuna.common.arjPropertyManager;
import com.arjuna.ats.internal.arjuna.objectstore.VolatileStore;
import com.arjuna.ats.internal.arjuna.objectstore.hornetq.HornetqJournalEnvironmentBean;
import com.arjuna.ats.internal.arjuna.objectstore.hornetq.HornetqObjectStoreAdaptor;
import com.arjuna.ats.jta.common.jtaPropertyManager;
import com.arjuna.common.internal.util.propertyservice.BeanPopulator;
import jakarta.transaction.TransactionManager;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;

/**
 * Narayana, with the least pool that there can be, since it brings none: each thread keeps one connection
 * a branch for good.
 */
final class Narayana implements Contender {
    /** The default of 500 makes a lone transaction wait 2 ms for company. */
    private static final int FLUSHES_PER_SECOND_BEST = 1_000_000;

    private final boolean best;
    private final boolean durable;
    private final boolean asyncPrepare;
    private final TransactionManager manager;
    private final Pooled[][] pool;
    private final List<XAResource> nullResources = new ArrayList<>();

    /** One thread's connection to one branch. */
    private record Pooled(XAConnection owner, XAResource resource, Connection connection) {}

    Narayana(Workload workload, boolean best) throws Exception {
        this.best = best;
        this.durable = workload.durable();
        arjPropertyManager.getCoreEnvironmentBean().setNodeIdentifier(workload.contender());
        configureStores(workload);
        // Null resources answer sooner than a thread could be woken for them.
        asyncPrepare = best && workload.nullResources() == 0;
        if (best) {
            CoordinatorEnvironmentBean coordinator = arjPropertyManager.getCoordinatorEnvironmentBean();
            coordinator.setAsyncPrepare(asyncPrepare);
            coordinator.setMaxTwoPhaseCommitThreads(
                    Math.max(1, workload.threads() * (workload.branches().size() - 1)));
            // Serves recovery from other processes, of which there are none.
            coordinator.setTransactionStatusManagerEnable(false);
        }
        pool = new Pooled[workload.threads()][workload.branches().size()];
        for (Pooled[] ofThread : pool) {
            for (int branch = 0; branch < ofThread.length; ++branch) {
                ofThread[branch] = connect(workload.branches().get(branch));
            }
        }
        doNotJoin(pool[0]);
        for (int i = 0; i < workload.nullResources(); ++i) {
            nullResources.add(new NullResource());
        }
        manager = com.arjuna.ats.jta.TransactionManager.transactionManager();
    }

    private void configureStores(Workload workload) {
        // The transaction log, and two stores for other uses that it also makes.
        for (String name : new String[] {null, "stateStore", "communicationStore"}) {
            ObjectStoreEnvironmentBean store =
                    BeanPopulator.getNamedInstance(ObjectStoreEnvironmentBean.class, name);
            store.setObjectStoreDir(workload.logDirectory().toString());
        }
        ObjectStoreEnvironmentBean log = BeanPopulator.getDefaultInstance(ObjectStoreEnvironmentBean.class);
        if (!durable) {
            log.setObjectStoreType(VolatileStore.class.getName());
        } else if (best) {
            log.setObjectStoreType(HornetqObjectStoreAdaptor.class.getName());
            HornetqJournalEnvironmentBean journal =
                    BeanPopulator.getDefaultInstance(HornetqJournalEnvironmentBean.class);
            journal.setStoreDir(workload.logDirectory().toString());
            // Its native library is not on the library path of a plain java -jar.
            journal.setAsyncIO(false);
            journal.setSyncWrites(true);
            // A record that outlives its transaction is only committed once more by recovery.
            journal.setSyncDeletes(false);
            journal.setBufferFlushesPerSecond(FLUSHES_PER_SECOND_BEST);
        }
    }

    /**
     * Two branches on one server are two branches: these servers cannot join a transaction branch from a
     * second connection, although the drivers of MariaDB and MySQL say that it is the same resource manager.
     */
    private static void doNotJoin(Pooled[] connections) {
        List<String> classes = new ArrayList<>();
        for (Pooled each : connections) {
            classes.add(each.resource.getClass().getName());
        }
        jtaPropertyManager.getJTAEnvironmentBean().setXaResourceIsSameRMClassNames(classes);
    }

    private Pooled connect(Branch branch) throws SQLException {
        XAConnection owner = branch.xaDataSource(best).getXAConnection();
        return new Pooled(owner, owner.getXAResource(), owner.getConnection());
    }

    @Override
    public String settings() {
        return "Narayana 7.3.4.Final, own pool of a connection per thread and branch, no recovery manager, "
                + (!durable ? "VolatileStore" : best ? "journal store (NIO), writes forced, deletes not, "
                        + FLUSHES_PER_SECOND_BEST + " buffer flushes a second at most"
                        : "ShadowNoFileLockStore, forced")
                + (asyncPrepare ? ", asyncPrepare" : "")
                + (best ? ", statements prepared by the server, "
                        + "connections enlisted before the first statement and not delisted"
                        : ", connections delisted after their statement, else defaults");
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
        Pooled pooled = pool[thread][branch];
        manager.getTransaction().enlistResource(pooled.resource);
        return pooled.connection;
    }

    @Override
    public void close(int thread, int branch, Connection connection) throws Exception {
        if (!best && manager.getTransaction() != null) {
            manager.getTransaction().delistResource(pool[thread][branch].resource, XAResource.TMSUCCESS);
        }
    }

    @Override
    public void enlistNullResources() throws Exception {
        for (XAResource resource : nullResources) {
            manager.getTransaction().enlistResource(resource);
        }
    }

    @Override
    public void close() throws Exception {
        for (Pooled[] ofThread : pool) {
            for (Pooled each : ofThread) {
                each.owner.close();
            }
        }
    }
}
