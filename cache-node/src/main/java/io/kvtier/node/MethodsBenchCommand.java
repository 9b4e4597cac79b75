package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.client.NanoClock;
import io.kvtier.codec.KvBlock;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.MethodCodec;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.stage.SurveyMethods;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench methods}: the survey's codecs on real caches. */
@Command(
        name = "methods",
        description = {
            "Code each cache of a folder by every method of the survey, chunk by chunk, and write",
            "what comes back to OUT/METHOD/: `tools/kvlab/kvlab.py eval` judges it."
        },
        mixinStandardHelpOptions = true)
final class MethodsBenchCommand implements Callable<Integer> {
    @Option(
            names = "--in",
            paramLabel = "DIR",
            required = true,
            description = "safetensors with k, v, tokens, as tools/kvlab dumps them.")
    private Path in = Path.of("");

    @Option(
            names = "--out",
            paramLabel = "DIR",
            required = true,
            description = "Where the decoded caches go, a folder for each method.")
    private Path out = Path.of("");

    @Option(
            names = "--only",
            paramLabel = "METHOD",
            split = ",",
            description = "Only these methods.")
    private List<String> only = List.of();

    @Option(names = "--json", description = "Print one JSON array.")
    private boolean json;

    /**
     * A method on all caches.
     *
     * @param paper arXiv number, or none
     * @param stages in the order of encoding
     * @param bitsPerElement of real containers, everything counted
     * @param encodeMs wall time of a chunk, mean
     */
    record Row(
            String method,
            String paper,
            List<String> stages,
            double bitsPerElement,
            double encodeMs,
            double decodeMs) {}

    @Override
    public Integer call() throws IOException {
        List<Path> files = EncodeCommand.caches(in);
        List<Row> rows = new ArrayList<>();
        for (Method method : chosen(files.getFirst())) {
            System.err.printf("%s ...%n", method.name());
            rows.add(run(method, files));
        }
        System.out.println(json ? new ObjectMapper().writeValueAsString(rows) : table(rows));
        return ExitCode.OK;
    }

    private List<Method> chosen(Path file) throws IOException {
        try (Arena arena = Arena.ofShared()) {
            CacheFile first = CodecOptions.cache(file, Optional.empty(), arena);
            List<Method> all = SurveyMethods.of(first.namespace().geometry());
            List<String> known = all.stream().map(Method::name).toList();
            for (String name : only) {
                InvalidRequestException.check(known.contains(name), "--only", name, known);
            }
            return all.stream().filter(m -> only.isEmpty() || only.contains(m.name())).toList();
        }
    }

    private Row run(Method method, List<Path> files) throws IOException {
        MethodCodec codec = new MethodCodec(method);
        NanoClock clock = NanoClock.system();
        Path folder = Files.createDirectories(out.resolve(method.name()));
        long bytes = 0;
        long elements = 0;
        long encode = 0;
        long decode = 0;
        int chunks = 0;
        for (Path file : files) {
            try (Arena arena = Arena.ofShared()) {
                CacheFile cache = CodecOptions.cache(file, Optional.empty(), arena);
                CacheFile back = cache.prefix(cache.tokens().length, arena);
                for (int i = 0; i < cache.chunks(); i++, chunks++) {
                    KvBlock block = cache.chunk(i);
                    DenseKv kv = DenseKv.of(block);
                    RateMap rates = RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW);
                    long start = clock.nanoTime();
                    byte[] coded = codec.encode(kv, rates);
                    long between = clock.nanoTime();
                    MethodCodec.Decoded decoded = codec.decode(coded, kv.geometry());
                    decode += clock.nanoTime() - between;
                    encode += between - start;
                    bytes += coded.length;
                    elements += kv.elements();
                    decoded.kv().writeTo(block);
                    back.fill(block);
                }
                back.write(folder.resolve(file.getFileName()));
            }
        }
        double perChunk = 1e6 * chunks;
        return new Row(
                method.name(),
                method.paper(),
                method.stages().stream().map(stage -> stage.name()).toList(),
                8.0 * bytes / elements,
                encode / perChunk,
                decode / perChunk);
    }

    private static String table(List<Row> rows) {
        StringBuilder text = new StringBuilder("method            bits/elem  encode ms  decode ms");
        for (Row row : rows) {
            text.append(
                    String.format(
                            Locale.ROOT,
                            "%n%-16s %10.3f %10.1f %10.1f",
                            row.method,
                            row.bitsPerElement,
                            row.encodeMs,
                            row.decodeMs));
        }
        return text.toString();
    }
}
