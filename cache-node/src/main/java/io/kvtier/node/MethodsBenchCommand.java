package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.client.NanoClock;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.survey.SurveyMethods;
import io.kvtier.node.methods.BasisFile;
import io.kvtier.node.methods.HintFolder;
import io.kvtier.node.methods.MethodCoding;
import io.kvtier.node.methods.MethodJudge;
import io.kvtier.node.methods.MethodPicture;
import io.kvtier.node.methods.MethodRow;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench methods}: every method of the survey on real caches. */
@Command(
        name = "methods",
        description = {
            "Code kvlab's contexts by every method of the survey and say what each costs and"
                    + " loses.",
            "With --in and --out: only code the caches of a folder, for judges of your own."
        },
        mixinStandardHelpOptions = true)
final class MethodsBenchCommand implements Callable<Integer> {
    private static final List<String> SPLITS = List.of("test", "facts");

    @Option(
            names = "--work",
            paramLabel = "DIR",
            description =
                    "Exact caches, hints and what methods give back (default: a cache folder of the"
                            + " user; 700 MB, and 50 MB a method).")
    private Path work =
            Path.of(System.getProperty("user.home"), ".cache", "kvtier", "bench-methods");

    @Option(
            names = "--in",
            paramLabel = "DIR",
            description = "safetensors with k, v, tokens, as tools/kvlab dumps them.")
    private @Nullable Path in;

    @Option(
            names = "--out",
            paramLabel = "DIR",
            description = "With --in: where the decoded caches go, a folder for each method.")
    private @Nullable Path out;

    @Option(
            names = "--only",
            paramLabel = "METHOD",
            split = ",",
            description = "Only these methods.")
    private List<String> only = List.of();

    @Option(
            names = "--contexts",
            paramLabel = "NAME",
            split = ",",
            description = "Only these contexts of kvlab's split test.")
    private List<String> contexts = List.of();

    @Option(
            names = "--chunk-tokens",
            paramLabel = "N",
            description =
                    "Tokens of a chunk (default ${DEFAULT-VALUE}). Policies see contexts whole.")
    private int chunkTokens = 256;

    @Option(
            names = "--profile",
            paramLabel = "FILE",
            split = ",",
            description = "Calibrated profiles whose levels are judged beside the methods.")
    private List<Path> profiles = List.of();

    @Option(
            names = "--picture",
            paramLabel = "FILE",
            description = "Draw bits and KL of all rows as SVG.")
    private @Nullable Path picture;

    @Option(
            names = "--python",
            paramLabel = "FILE",
            defaultValue = "${env:KVTIER_PYTHON:-python3}",
            description = "Interpreter for the judge (default: KVTIER_PYTHON, else python3).")
    private String python = "";

    @Option(names = "--json", description = "Print one JSON array.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        InvalidRequestException.check(
                chunkTokens >= 1 && chunkTokens <= 65535,
                "--chunk-tokens",
                chunkTokens,
                "1..65535");
        InvalidRequestException.check(
                (in == null) == (out == null), "--in and --out", "one of them", "both or neither");
        List<MethodRow> rows = in == null || out == null ? judged() : coded(in, out);
        if (picture != null) {
            var _ = Files.writeString(picture, MethodPicture.draw(rows));
        }
        System.out.println(
                json ? new ObjectMapper().writeValueAsString(rows) : MethodRow.table(rows));
        return ExitCode.OK;
    }

    private List<MethodRow> coded(Path from, Path to) throws IOException {
        List<Path> files = EncodeCommand.caches(from);
        List<MethodRow> rows = new ArrayList<>();
        for (Method method : chosen(SurveyMethods.stages(geometry(files.getFirst())))) {
            MethodCoding coding = new MethodCoding(method, NanoClock.system());
            code(coding, files, Optional.empty(), to.resolve(method.name()));
            progress(rows.size() + 1, method);
            rows.add(MethodRow.of(method, coding.cost(), Optional.empty()));
        }
        return rows;
    }

    private List<MethodRow> judged() throws IOException {
        Path script =
                Path.of(System.getProperty("kvtier.home", "")).resolve("tools/methods/judge.py");
        MethodJudge judge = new MethodJudge(python, script, work, contexts);
        judge.prepare();
        Path first = EncodeCommand.caches(judge.exact(SPLITS.getFirst())).getFirst();
        List<Method> all = new ArrayList<>(SurveyMethods.all(geometry(first), HintFolder.WINDOW));
        all.addAll(SurveyMethods.calibrated(BasisFile.read(work.resolve("basis.safetensors"))));
        List<MethodCoding.Cost> costs = new ArrayList<>();
        List<Method> methods = chosen(all);
        Map<String, HintFolder> hints = new LinkedHashMap<>();
        for (String split : SPLITS) {
            hints.put(split, HintFolder.of(judge.hints(split), work.resolve("vocabulary.json")));
        }
        for (Method method : methods) {
            MethodCoding coding = new MethodCoding(method, NanoClock.system());
            for (String split : SPLITS) {
                List<Path> files = files(judge.exact(split), split);
                // Only policies read hints, which are megabytes a context.
                Optional<HintFolder> read =
                        method.policy().flatMap(rates -> Optional.ofNullable(hints.get(split)));
                code(coding, files, read, judge.decoded(method.name(), split));
            }
            costs.add(coding.cost());
            progress(costs.size(), method);
        }
        Map<String, MethodCoding.Cost> levels = levels(judge);
        List<String> names = new ArrayList<>(methods.stream().map(Method::name).toList());
        names.addAll(levels.keySet());
        Map<String, JsonNode> losses = judge.rows(names);
        List<MethodRow> rows = new ArrayList<>();
        levels.forEach(
                (name, cost) ->
                        rows.add(
                                MethodRow.ofTier(
                                        name, cost, Optional.ofNullable(losses.get(name)))));
        for (int i = 0; i < methods.size(); i++) {
            Method method = methods.get(i);
            Optional<JsonNode> loss = Optional.ofNullable(losses.get(method.name()));
            rows.add(MethodRow.of(method, costs.get(i), loss));
        }
        return rows;
    }

    /** The tier's own levels, of each profile that was named. */
    private Map<String, MethodCoding.Cost> levels(MethodJudge judge) throws IOException {
        Map<String, MethodCoding.Cost> out = new LinkedHashMap<>();
        for (Path profile : profiles) {
            Path first = EncodeCommand.caches(judge.exact(SPLITS.getFirst())).getFirst();
            TierLevels tier =
                    new TierLevels(
                            name(profile),
                            CodecOptions.read(profile, geometry(first)),
                            NanoClock.system());
            for (String split : SPLITS) {
                for (Path file : files(judge.exact(split), split)) {
                    try (Arena arena = Arena.ofShared()) {
                        CacheFile cache = CodecOptions.cache(file, Optional.empty(), arena);
                        String name = file.getFileName().toString();
                        tier.run(cache, name, (row, to) -> judge.decoded(row, split).resolve(to));
                    }
                }
            }
            out.putAll(tier.costs());
            System.err.printf("coded all levels of %s%n", profile);
        }
        return out;
    }

    private List<Path> files(Path folder, String split) throws IOException {
        return EncodeCommand.caches(folder).stream()
                .filter(
                        file ->
                                contexts.isEmpty()
                                        || !split.equals(SPLITS.getFirst())
                                        || contexts.contains(name(file)))
                .toList();
    }

    private void code(MethodCoding coding, List<Path> files, Optional<HintFolder> hints, Path to)
            throws IOException {
        Files.createDirectories(to);
        for (Path file : files) {
            try (Arena arena = Arena.ofShared()) {
                CacheFile cache = CodecOptions.cache(file, Optional.empty(), arena);
                String name = file.getFileName().toString();
                Optional<Hints> read =
                        hints.isPresent()
                                ? Optional.of(hints.get().read(name, cache))
                                : Optional.empty();
                coding.run(cache, read, chunkTokens, to.resolve(name));
            }
        }
    }

    private List<Method> chosen(List<Method> all) {
        List<String> known = all.stream().map(Method::name).toList();
        for (String name : only) {
            InvalidRequestException.check(known.contains(name), "--only", name, known);
        }
        return all.stream().filter(m -> only.isEmpty() || only.contains(m.name())).toList();
    }

    private static Geometry geometry(Path file) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            return CodecOptions.cache(file, Optional.empty(), arena).namespace().geometry();
        }
    }

    private static String name(Path file) {
        return file.getFileName().toString().replaceFirst("\\.[^.]*$", "");
    }

    private static void progress(int count, Method method) {
        System.err.printf("coded %d %s%n", count, method.name());
    }
}
