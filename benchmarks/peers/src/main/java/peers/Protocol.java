package peers;

import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** The conversation with the harness: ready, then one result for each "go", until the input ends. */
final class Protocol {
    private final Workload workload;
    private final Contender contender;
    private final PrintStream out;

    Protocol(Workload workload, Contender contender, PrintStream out) {
        this.workload = workload;
        this.contender = contender;
        this.out = out;
    }

    void serve(BufferedReader in) throws Exception {
        // One thread a worker for the whole life, as a server would have them.
        ExecutorService threads = Executors.newFixedThreadPool(workload.threads());
        try {
            List<Worker> workers = new ArrayList<>();
            for (int thread = 0; thread < workload.threads(); ++thread) {
                workers.add(new Worker(workload, contender, thread));
            }
            JsonObject ready = new JsonObject();
            ready.addProperty("event", "ready");
            ready.addProperty("settings", contender.settings());
            say(ready);
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                say(go(line, workers, threads));
            }
        } finally {
            threads.shutdown();
        }
    }

    private JsonObject go(String line, List<Worker> workers, ExecutorService threads) throws Exception {
        double seconds;
        Long transactions;
        try {
            JsonObject command = JsonParser.parseString(line).getAsJsonObject();
            seconds = Workload.need(command, "go").getAsDouble();
            transactions = command.has("transactions") ? command.get("transactions").getAsLong() : null;
        } catch (JsonParseException | IllegalStateException | UnsupportedOperationException
                | NumberFormatException e) {
            throw new Workload.Wrong("cannot follow \"" + line + "\": say {\"go\": SECONDS}");
        }
        long[] start = new long[1];
        Turn[] turn = new Turn[1];
        CyclicBarrier allReady = new CyclicBarrier(workers.size(), () -> {
            start[0] = System.nanoTime();
            turn[0] = new Turn(start[0] + (long) (seconds * 1e9), transactions);
        });
        List<Future<Samples>> running = new ArrayList<>();
        for (Worker worker : workers) {
            running.add(threads.submit(() -> {
                allReady.await();
                return worker.run(turn[0]);
            }));
        }
        List<Samples> parts = new ArrayList<>();
        try {
            for (Future<Samples> each : running) {
                parts.add(each.get());
            }
        } catch (ExecutionException e) {
            throw new IllegalStateException("a worker thread died", e.getCause());
        }
        double took = (System.nanoTime() - start[0]) / 1e9;
        JsonObject result = Samples.sum(parts).toJson(took);
        result.addProperty("rss_bytes", residentBytes());
        return result;
    }

    private void say(JsonObject event) {
        out.println(event);
        out.flush();
    }

    private static long residentBytes() throws IOException {
        for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmRSS:")) {
                return Long.parseLong(line.replaceAll("\\D", "")) * 1024;
            }
        }
        throw new IOException("/proc/self/status has no VmRSS");
    }
}
