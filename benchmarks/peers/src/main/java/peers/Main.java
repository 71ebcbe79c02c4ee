package peers;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.logging.LogManager;

/** {@code java -jar peers.jar WORKLOAD.json}: one contender in one process. */
public final class Main {
    private static final int EXIT_WRONG = 2;

    private static final String LOGGING = """
            handlers=java.util.logging.ConsoleHandler
            .level=WARNING
            """;

    private Main() {}

    public static void main(String[] arguments) throws Exception {
        // Standard output belongs to the protocol; whatever else prints goes to standard error.
        PrintStream protocol = System.out;
        System.setOut(System.err);
        System.setProperty("org.jboss.logging.provider", "jdk");
        LogManager.getLogManager().readConfiguration(
                new ByteArrayInputStream(LOGGING.getBytes(StandardCharsets.UTF_8)));
        try {
            run(arguments, protocol);
        } catch (Workload.Wrong e) {
            fail(e.getMessage());
        } catch (Exception e) {
            fail(Texts.oneLine(e));
        }
        // Some drivers and managers leave threads behind that are no daemons.
        System.exit(0);
    }

    private static void run(String[] arguments, PrintStream protocol) throws Exception {
        if (arguments.length != 1) {
            throw new Workload.Wrong("usage: java -jar peers.jar WORKLOAD.json");
        }
        Workload workload = Workload.read(Path.of(arguments[0]));
        try (Contender contender = Contender.start(workload)) {
            new Protocol(workload, contender, protocol)
                    .serve(new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8)));
        }
    }

    private static void fail(String message) {
        System.err.println("peers: " + message);
        System.exit(EXIT_WRONG);
    }
}
