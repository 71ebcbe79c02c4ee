package peers;

import com.google.gson.JsonObject;
import java.util.Locale;

/** One database of a workload, and the table in it. */
record Branch(String name, Kind kind, String host, int port, String user, String password, String database,
              String table) {

    /** The servers that a branch may live on, with the driver of each. */
    enum Kind {
        POSTGRES("org.postgresql.xa.PGXADataSource", "clock_timestamp()"),
        MARIADB("org.mariadb.jdbc.MariaDbDataSource", "SYSDATE(6)"),
        MYSQL("com.mysql.cj.jdbc.MysqlXADataSource", "SYSDATE(6)");

        final String dataSourceClass;
        final String clock;

        Kind(String dataSourceClass, String clock) {
            this.dataSourceClass = dataSourceClass;
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
     * so that no transaction pays for it. TLS is off, as it is for every other contender.
     */
    String url() {
        String place = "://" + host + ":" + port + "/" + database;
        return switch (kind) {
            case POSTGRES -> "jdbc:postgresql" + place + "?sslmode=disable"
                    + "&options=-c%20default_transaction_isolation=read%5C%20committed";
            case MARIADB -> "jdbc:mariadb" + place
                    + "?sslMode=disable&sessionVariables=tx_isolation='READ-COMMITTED'";
            case MYSQL -> "jdbc:mysql" + place + "?sslMode=DISABLED&allowPublicKeyRetrieval=true"
                    + "&pinGlobalTxToPhysicalConnection=true"
                    + "&sessionVariables=transaction_isolation='READ-COMMITTED'";
        };
    }

    String update() {
        return "UPDATE " + table + " SET balance = balance + ?, granted_at = " + kind.clock + " WHERE id = ?";
    }

    String select() {
        return "SELECT balance FROM " + table + " WHERE id = ?";
    }
}
