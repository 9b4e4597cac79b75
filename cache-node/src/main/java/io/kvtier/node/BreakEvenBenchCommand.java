package io.kvtier.node;

import static io.kvtier.codec.error.InvalidRequestException.check;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import io.kvtier.codec.FrameCodec;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.MethodCodec;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.survey.SurveyMethods;
import io.kvtier.codec.profile.Profile;
import io.kvtier.node.breakeven.BreakEven;
import io.kvtier.node.breakeven.BreakEvenPicture;
import io.kvtier.node.breakeven.ServedModel;
import io.kvtier.node.breakeven.WireFormat;
import io.kvtier.node.frames.ChunkRequest;
import io.kvtier.node.frames.LevelRequest;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

/** {@code kvtier bench breakeven}: when to fetch and when to compute. */
@Command(
        name = "breakeven",
        description = {
            "Measure bytes and decoding of each format on the sample, and tell from which link on",
            "fetching beats computing, for models whose prefill is stated."
        },
        mixinStandardHelpOptions = true)
final class BreakEvenBenchCommand implements Callable<Integer> {
    /** Bits of a PCA by variance for each layer, entropy coded, at a KL of 0.016: no code here. */
    private static final double KVTC_BITS = 3.05;

    @Option(
            names = "--round-trip",
            paramLabel = "MS",
            defaultValue = "1",
            description = "Before the first byte (default: ${DEFAULT-VALUE}).")
    private double roundTripMs;

    @Option(
            names = "--rounds",
            paramLabel = "COUNT",
            defaultValue = "12",
            description = "Of decoding, the median counts (default: ${DEFAULT-VALUE}).")
    private int rounds;

    @Option(names = "--svg", paramLabel = "FILE", description = "Also draw a picture.")
    private @Nullable Path svg;

    @Option(names = "--json", description = "Print one JSON array.")
    private boolean json;

    @Override
    public Integer call() throws IOException {
        check(rounds >= 1 && rounds <= 1000, "--rounds", rounds, "1..1000");
        check(roundTripMs >= 0 && roundTripMs < 1e5, "--round-trip", roundTripMs, "0..1e5");
        List<BreakEven> pairs = new ArrayList<>();
        List<WireFormat> formats = measure();
        for (ServedModel model : ServedModel.all()) {
            formats.forEach(format -> pairs.add(BreakEven.of(model, format, roundTripMs)));
        }
        if (svg != null) {
            var _ = Files.writeString(svg, BreakEvenPicture.draw(pairs));
        }
        System.out.println(json ? json(pairs) : table(pairs));
        return ExitCode.OK;
    }

    private List<WireFormat> measure() throws IOException {
        Path home = Path.of(System.getProperty("kvtier.home", ""));
        Path sample = home.resolve("examples/sample/novel.safetensors");
        try (Arena arena = Arena.ofShared()) {
            CacheFile cache = CacheFile.read(sample, Optional.empty(), arena);
            WireFormat joint = profile("kvtier", home, "smollm2-135m-joint.kvp", cache, arena);
            // A transform of each layer and an entropy coder are what KVTC decodes by, too.
            WireFormat layer = profile("layer", home, "smollm2-135m-layer.kvp", cache, arena);
            return List.of(
                    WireFormat.RAW,
                    cacheGen(cache),
                    new WireFormat("KVTC-like", KVTC_BITS, layer.decodeNanosPerElement()),
                    joint);
        }
    }

    /** Level "recent" of a profile's frames, decoded on one thread. */
    private WireFormat profile(String name, Path home, String file, CacheFile cache, Arena arena)
            throws IOException {
        Profile profile =
                CodecOptions.read(
                        home.resolve("profiles").resolve(file), cache.namespace().geometry());
        LevelRequest level = LevelRequest.of(profile.levels(), "recent");
        CacheCodec codec = new CacheCodec(new FrameCodec.Adaptive(cache.namespace(), profile));
        List<MemorySegment> frames = codec.encode(cache);
        CacheFile scratch = cache.prefix(cache.tokens().length, arena);
        long bytes = 0;
        List<Runnable> decoding = new ArrayList<>();
        for (int i = 0; i < frames.size(); i++) {
            MemorySegment frame = frames.get(i);
            FrameHeader header =
                    FrameBytes.readHeader(frame, io.kvtier.codec.frame.DecodeLimits.defaults());
            ChunkRequest request = level.chunk(i, frames.size());
            bytes += request.bytes(header);
            decoding.add(
                    () -> {
                        var _ = codec.decode(header, frame, scratch, s -> request.uses(header, s));
                    });
        }
        return format(name, bytes, cache, decoding);
    }

    private WireFormat cacheGen(CacheFile cache) {
        Method method =
                SurveyMethods.stages(cache.namespace().geometry()).stream()
                        .filter(each -> each.name().equals("cachegen-3"))
                        .findFirst()
                        .orElseThrow();
        MethodCodec codec = new MethodCodec(method);
        long bytes = 0;
        List<Runnable> decoding = new ArrayList<>();
        for (int i = 0; i < cache.chunks(); i++) {
            DenseKv kv = DenseKv.of(cache.chunk(i));
            RateMap rates = RateMap.uniform(kv.geometry(), kv.tokens(), RateMap.RAW);
            byte[] coded = codec.encode(kv, rates);
            bytes += coded.length;
            decoding.add(
                    () -> {
                        var _ = codec.decode(coded, kv.geometry());
                    });
        }
        return format("CacheGen", bytes, cache, decoding);
    }

    /** Median processor time of a round over all chunks. */
    private WireFormat format(String name, long bytes, CacheFile cache, List<Runnable> decoding) {
        double elements =
                (double) cache.tokens().length * cache.namespace().geometry().elementsPerToken();
        double[] nanos = new double[rounds];
        for (int round = 0; round < rounds; round++) {
            long start = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
            decoding.forEach(Runnable::run);
            nanos[round] = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - start;
        }
        java.util.Arrays.sort(nanos);
        System.err.printf(
                "%s: %.3f bits an element, decoded in %.1f ns%n",
                name, 8 * bytes / elements, nanos[rounds / 2] / elements);
        return new WireFormat(name, 8 * bytes / elements, nanos[rounds / 2] / elements);
    }

    private static String json(List<BreakEven> pairs) {
        ArrayNode out = new ObjectMapper().createArrayNode();
        for (BreakEven pair : pairs) {
            var row = out.addObject();
            row.put("model", pair.model().name()).put("on", pair.model().where());
            row.put("prefillTokensPerSecond", pair.model().prefillTokensPerSecond());
            row.put("tokens", pair.model().tokens()).put("cores", pair.model().cores());
            row.put("format", pair.format().name());
            row.put("bitsPerElement", round(pair.format().bitsPerElement()));
            row.put("bytes", pair.fetchedBytes());
            row.put("computeMs", round(pair.computeMs())).put("decodeMs", round(pair.decodeMs()));
            if (Double.isInfinite(pair.mbit())) {
                row.putNull("mbit");
            } else {
                row.put("mbit", round(pair.mbit()));
            }
        }
        return out.toString();
    }

    private static double round(double value) {
        return Math.round(value * 1000) / 1000.0;
    }

    private static String table(List<BreakEven> pairs) {
        StringBuilder out = new StringBuilder();
        out.append(
                String.format(
                        "%-14s %-9s %9s %-10s %9s %9s %9s  %s",
                        "model", "on", "prefill", "format", "MB", "compute", "decode", "Mbit/s"));
        for (BreakEven pair : pairs) {
            out.append(
                    String.format(
                            Locale.ROOT,
                            "%n%-14s %-9s %5.0f t/s %-10s %9.2f %6.0f ms %6.0f ms  %s",
                            pair.model().name(),
                            pair.model().where(),
                            pair.model().prefillTokensPerSecond(),
                            pair.format().name(),
                            pair.fetchedBytes() / 1e6,
                            pair.computeMs(),
                            pair.decodeMs(),
                            Double.isInfinite(pair.mbit())
                                    ? "never"
                                    : String.format(Locale.ROOT, "%.1f", pair.mbit())));
        }
        return out.toString();
    }
}
