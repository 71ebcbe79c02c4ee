package peers;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** What a contender is asked to do; a value read from the workload file and checked once. */
record Workload(String contender, List<Branch> branches, int nullResources, int threads, boolean hot,
                double readOnlyShare, boolean durable, Path logDirectory) {

    /** A workload file that cannot be followed; the message says what to change. */
    static final class Wrong extends Exception {
        Wrong(String message) {
            super(message);
        }
    }

    static Workload read(Path file) throws Wrong {
        try {
            return parse(JsonParser.parseString(Files.readString(file)).getAsJsonObject());
        } catch (IOException e) {
            throw new Wrong("cannot read the workload " + file + ": give the path of a readable file");
        } catch (JsonParseException | IllegalStateException | UnsupportedOperationException
                | NumberFormatException e) {
            throw new Wrong("the workload " + file + " is malformed: " + Texts.oneLine(e));
        }
    }

    private static Workload parse(JsonObject root) throws Wrong {
        List<Branch> branches = new ArrayList<>();
        for (JsonElement each : need(root, "branches").getAsJsonArray()) {
            branches.add(Branch.parse(each.getAsJsonObject()));
        }
        Workload result = new Workload(
                need(root, "contender").getAsString(), List.copyOf(branches),
                root.has("null_resources") ? root.get("null_resources").getAsInt() : 0,
                need(root, "threads").getAsInt(), oneOf(root, "rows", "hot", "cold").equals("hot"),
                root.has("read_only_share") ? root.get("read_only_share").getAsDouble() : 0,
                oneOf(root, "log", "durable", "none").equals("durable"),
                Path.of(need(root, "log_directory").getAsString()));
        if (result.threads < 1) {
            throw new Wrong("\"threads\" is " + result.threads + ": it must be at least 1");
        }
        if (result.branches.isEmpty() == (result.nullResources < 1)) {
            throw new Wrong("give either \"branches\" or a positive \"null_resources\"");
        }
        if (!Files.isDirectory(result.logDirectory)) {
            throw new Wrong("\"log_directory\" " + result.logDirectory + " is no folder: make it first");
        }
        return result;
    }

    static JsonElement need(JsonObject object, String key) throws Wrong {
        JsonElement value = object.get(key);
        if (value == null || value.isJsonNull()) {
            throw new Wrong("the workload lacks \"" + key + "\": add it");
        }
        return value;
    }

    private static String oneOf(JsonObject object, String key, String first, String second) throws Wrong {
        String value = need(object, key).getAsString();
        if (!value.equals(first) && !value.equals(second)) {
            throw new Wrong("\"" + key + "\" is \"" + value + "\": it must be \"" + first + "\" or \""
                    + second + "\"");
        }
        return value;
    }
}
