package io.kvtier.node.methods;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.codec.error.InvalidRequestException;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * {@code tools/methods/judge.py}: makes exact caches and hints of kvlab's contexts, and says what
 * decoded ones do to the model. Its progress goes to this process's standard error.
 *
 * @param python interpreter with what {@code tools/kvlab/requirements.txt} lists and the model
 * @param script of the judge
 * @param work folder of all files
 * @param contexts of {@code test}; empty = all
 */
public record MethodJudge(String python, Path script, Path work, List<String> contexts) {
    private static final ObjectMapper JSON = new ObjectMapper();

    /** Refuses a script that is not there. */
    public MethodJudge {
        contexts = List.copyOf(contexts);
        InvalidRequestException.check(
                Files.exists(script), "the judge", script, "a file: run ./kvtier of a checkout");
    }

    /** Makes what is missing of exact caches, hints, vocabulary and basis. */
    public void prepare() throws IOException {
        List<String> _ = lines("prepare", List.of());
    }

    /** Exact caches of a split. */
    public Path exact(String split) {
        return work.resolve("exact").resolve(split);
    }

    /** Hints of a split. */
    public Path hints(String split) {
        return work.resolve("hints").resolve(split);
    }

    /** Where a method's caches of a split go. */
    public Path decoded(String method, String split) {
        return work.resolve("decoded").resolve(method).resolve(split);
    }

    /** What each method's decoded caches lose, by name. */
    public Map<String, JsonNode> rows(List<String> methods) throws IOException {
        Map<String, JsonNode> out = new LinkedHashMap<>();
        for (String line : lines("rows", methods)) {
            JsonNode row = JSON.readTree(line);
            out.put(row.path("method").asText(), row);
        }
        return out;
    }

    private List<String> lines(String command, List<String> names) throws IOException {
        List<String> line = new ArrayList<>(List.of(python, script.toString(), command));
        line.addAll(List.of("--work", work.toString()));
        if (!contexts.isEmpty()) {
            line.addAll(List.of("--only", String.join(",", contexts)));
        }
        line.addAll(names);
        Process process =
                new ProcessBuilder(line).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        try (BufferedReader out = process.inputReader()) {
            List<String> lines = out.lines().toList();
            int status = process.waitFor();
            InvalidRequestException.check(
                    status == 0, "exit status of " + String.join(" ", line), status, 0);
            return lines;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IOException("interrupted while " + script + " ran", e);
        } finally {
            process.destroyForcibly();
        }
    }
}
