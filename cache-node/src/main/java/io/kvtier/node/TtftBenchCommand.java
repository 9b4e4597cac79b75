package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.kvtier.client.NanoClock;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.MethodCodec;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.survey.SurveyMethods;
import io.kvtier.node.tensors.CacheFile;
import io.kvtier.node.transfer.Meter;
import io.kvtier.node.transfer.ShapedChunks;
import io.kvtier.node.transfer.TransferRow;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench ttft}: how soon a real cache is there, decoded, over a slow link. */
@Command(
        name = "ttft",
        description = {
            "Time from the question to the last decoded element of the sample's 1,024 tokens over"
                    + " a",
            "shaped link: raw fp16 and CacheGen by a plain socket without any lookup, kvtier by"
                    + " its",
            "own client, lookup included. Each chunk is decoded while the next ones arrive."
        },
        mixinStandardHelpOptions = true)
final class TtftBenchCommand implements Callable<Integer> {
    @Option(
            names = "--mbit",
            paramLabel = "MBIT",
            defaultValue = "100",
            description = "Of the link (default: ${DEFAULT-VALUE}).")
    private double megabits;

    @Option(
            names = "--rounds",
            paramLabel = "COUNT",
            defaultValue = "10",
            description =
                    "Counted, after three that are not; the rows take turns"
                            + " (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(
            names = "--level",
            paramLabel = "NAME",
            defaultValue = "recent",
            description = "Of the joint profile (default: ${DEFAULT-VALUE}).")
    private String level = "";

    @Option(names = "--json", description = "Print one JSON array.")
    private boolean json;

    private static final int WARM_UP_ROUNDS = 3;

    private final Meter meter = new Meter(NanoClock.system());

    /**
     * One way to bring the cache.
     *
     * @param millis that each round took
     * @param processorMillis of all threads, both ends and the link included
     */
    private record Way(
            String name,
            long bytes,
            Fetch fetch,
            List<Double> millis,
            List<Double> processorMillis) {
        double median() {
            return median(millis);
        }

        double processorMedian() {
            return median(processorMillis);
        }

        private static double median(List<Double> of) {
            return of.stream().sorted().toList().get(of.size() / 2);
        }

        double least() {
            return Collections.min(millis);
        }
    }

    private interface Fetch {
        void run() throws IOException;
    }

    @Override
    public Integer call() throws IOException {
        check(megabits >= 1 && megabits <= 1e5, "--mbit", megabits, "1..100000");
        check(rounds >= 1 && rounds <= 1000, "--rounds", rounds, "1..1000");
        Path home = Path.of(System.getProperty("kvtier.home", ""));
        try (TemporaryFolder folder = TemporaryFolder.create("kvtier-ttft");
                Arena arena = Arena.ofShared();
                ExecutorService decoders =
                        Executors.newFixedThreadPool(Runtime.getRuntime().availableProcessors())) {
            Path sample = home.resolve("examples/sample/novel.safetensors");
            CacheFile cache = CacheFile.read(sample, Optional.empty(), arena);
            try (LevelStream stream =
                    LevelStream.start(folder.path(), home, cache, level, megabits)) {
                List<Way> ways =
                        List.of(
                                raw(cache, decoders),
                                cacheGen(cache, decoders),
                                way("kvtier " + level, stream.bytes(), () -> stream.run(decoders)));
                measure(ways);
                System.out.println(json ? json(ways) : table(ways));
            }
        }
        return ExitCode.OK;
    }

    private void measure(List<Way> ways) throws IOException {
        for (int round = -WARM_UP_ROUNDS; round < rounds; round++) {
            for (Way way : ways) {
                TransferRow took =
                        meter.measure(
                                way.name(),
                                () -> {
                                    way.fetch().run();
                                    return way.bytes();
                                });
                if (round >= 0) {
                    way.millis().add(took.seconds() * 1e3);
                    way.processorMillis().add(took.cpuSeconds() * 1e3);
                }
            }
        }
    }

    private Way way(String name, long bytes, Fetch fetch) {
        return new Way(name, bytes, fetch, new ArrayList<>(), new ArrayList<>());
    }

    /** What arrives is what the engine takes: nothing to decode. */
    private Way raw(CacheFile cache, ExecutorService decoders) {
        List<byte[]> chunks = new ArrayList<>();
        for (int i = 0; i < cache.chunks(); i++) {
            long bytes = cache.namespace().geometry().decodedBytes(cache.chunkTokens(i));
            chunks.add(new byte[Math.toIntExact(bytes)]);
        }
        return way("raw fp16", bytes(chunks), () -> move(chunks, decoders, each -> {}));
    }

    private Way cacheGen(CacheFile cache, ExecutorService decoders) {
        MethodCodec codec =
                new MethodCodec(
                        SurveyMethods.stages(cache.namespace().geometry()).stream()
                                .filter(each -> each.name().equals("cachegen-3"))
                                .findFirst()
                                .orElseThrow());
        List<byte[]> chunks = new ArrayList<>();
        for (int i = 0; i < cache.chunks(); i++) {
            DenseKv kv = DenseKv.of(cache.chunk(i));
            chunks.add(codec.encode(kv, RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW)));
        }
        return way(
                "CacheGen, level 3",
                bytes(chunks),
                () ->
                        move(
                                chunks,
                                decoders,
                                each -> {
                                    var _ = codec.decode(each, cache.namespace().geometry());
                                }));
    }

    private void move(
            List<byte[]> chunks,
            ExecutorService decoders,
            java.util.function.Consumer<byte[]> decode)
            throws IOException {
        ShapedChunks.move(chunks, megabits, decoders, decode);
    }

    private static long bytes(List<byte[]> chunks) {
        return chunks.stream().mapToLong(chunk -> chunk.length).sum();
    }

    private static String json(List<Way> ways) {
        ArrayNode out = new ObjectMapper().createArrayNode();
        for (Way way : ways) {
            var row = out.addObject();
            row.put("name", way.name()).put("bytes", way.bytes());
            row.put("medianMillis", way.median()).put("leastMillis", way.least());
            row.put("processorMillis", way.processorMedian());
        }
        return out.toString();
    }

    private static String table(List<Way> ways) {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        "%-20s %10s %10s %10s %10s %8s",
                        "format", "MB", "median ms", "least ms", "cpu ms", "x"));
        double last = ways.getLast().median();
        for (Way way : ways) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%n%-20s %10.3f %10.0f %10.0f %10.0f %8.1f",
                            way.name(),
                            way.bytes() / 1e6,
                            way.median(),
                            way.least(),
                            way.processorMedian(),
                            way.median() / last));
        }
        return out.toString();
    }
}
