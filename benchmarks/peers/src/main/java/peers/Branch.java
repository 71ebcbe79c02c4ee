package peers;

import com.google.gson.JsonObject;
import com.mysql.cj.jdbc.MysqlXADataSource;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.Locale;
import javax.sql.XAConnection;
import javax.sql.XADataSource;
import org.mariadb.jdbc.MariaDbDataSource;
import org.postgresql.xa.PGXADataSource;

/** One database of a workload, and the table in it. */
record Branch(String name, Kind kind, String host, int port, String user, String password, String database,
              String table) {

    /** The servers that a branch may live on, with the clock of each. */
    enum Kind {
        POSTGRES("clock_timestamp()"),
        MARIADB("SYSDATE(6)"),
        MYSQL("SYSDATE(6)");

        final String clock;

        Kind(String clock) {
            this.clock = clock;
        }
    }

    static Branch parse(JsonObject object) throws Workload.Wrong {
        String kind = Workload.need(object, "kind").getAsString();
        Kind known;
        try {
            known = Kind.valueOf(kind.toUpperCase(Locale.ROOT));
        } catch (IllegalArgumentException e) {
            throw new Workload.Wrong("\"kind\" is \"" + kind + "\": it must be postgres, mariadb or mysql");
        }
        return new Branch(Workload.need(object, "name").getAsString(), known,
                Workload.need(object, "host").getAsString(), Workload.need(object, "port").getAsInt(),
                Workload.need(object, "user").getAsString(),
                Workload.need(object, "password").getAsString(),
                Workload.need(object, "database").getAsString(),
                Workload.need(object, "table").getAsString());
    }

    /**
     * The driver's address of the database. READ COMMITTED is set by what the driver sends when it connects,
     * so that no transaction pays for it. TLS is off, as it is for every other contender. At best, a server
     * parses a statement once a connection; PostgreSQL's driver comes to that by itself.
     */
    String url(boolean best) {
        String place = "://" + host + ":" + port + "/" + database;
        return switch (kind) {
            case POSTGRES -> "jdbc:postgresql" + place + "?sslmode=disable"
                    + "&options=-c%20default_transaction_isolation=read%5C%20committed";
            case MARIADB -> "jdbc:mariadb" + place
                    + "?sslMode=disable&sessionVariables=tx_isolation='READ-COMMITTED'"
                    + (best ? "&useServerPrepStmts=true" : "");
            case MYSQL -> "jdbc:mysql" + place + "?sslMode=DISABLED&allowPublicKeyRetrieval=true"
                    + "&pinGlobalTxToPhysicalConnection=true"
                    + "&sessionVariables=transaction_isolation='READ-COMMITTED'"
                    + (best ? "&useServerPrepStmts=true&cachePrepStmts=true" : "");
        };
    }

    /** The driver's own source of XA connections, set up for this branch. */
    XADataSource xaDataSource(boolean best) throws SQLException {
        switch (kind) {
            case POSTGRES -> {
                PGXADataSource source = new PGXADataSource();
                source.setUrl(url(best));
                source.setUser(user);
                source.setPassword(password);
                return source;
            }
            case MARIADB -> {
                MariaDbDataSource source = new MariaDbDataSource();
                source.setUrl(url(best));
                source.setUser(user);
                source.setPassword(password);
                return source;
            }
            case MYSQL -> {
                MysqlXADataSource source = new MysqlXADataSource();
                source.setUrl(url(best));
                source.setUser(user);
                source.setPassword(password);
                return source;
            }
        }
        throw new AssertionError(kind);
    }

    /** Says in one line what is wrong with the branch, before a pool's own patience hides it. */
    void check() throws Workload.Wrong {
        try {
            XAConnection owner = xaDataSource(false).getXAConnection();
            try (Connection connection = owner.getConnection();
                    PreparedStatement statement = connection.prepareStatement(select())) {
                statement.setLong(1, 1);
                statement.executeQuery().close();
            } finally {
                owner.close();
            }
        } catch (SQLException e) {
            throw new Workload.Wrong("cannot use branch " + name + " at " + host + ":" + port + ": "
                    + Texts.oneLine(e) + "; start that server or correct the workload");
        }
    }

    String update() {
        return "UPDATE " + table + " SET balance = balance + ?, granted_at = " + kind.clock + " WHERE id = ?";
    }

    String select() {
        return "SELECT balance FROM " + table + " WHERE id = ?";
    }
}
