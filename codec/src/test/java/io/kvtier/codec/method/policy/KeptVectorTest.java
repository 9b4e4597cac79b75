package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scorer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The kept sets are those of kvpress 0.5.5, or of the papers' own code where it lacks a method: see
 * {@code tools/methods/golden.py}, which made the file.
 */
class KeptVectorTest {
    private static final Path FILE = Path.of("src", "test", "resources", "vectors", "policies.txt");
    private static final int LAYERS = 2;
    private static final int HEADS = 2;
    private static final int TOKENS = 40;
    private static final int WINDOW = 8;
    private static final int SINKS = 4;

    private final Map<String, String> lines = new HashMap<>();
    private final DenseKv kv;
    private final Hints hints;

    KeptVectorTest() throws IOException {
        for (String line : Files.readAllLines(FILE)) {
            String[] parts = line.split(" ", 3);
            lines.put(parts[0], parts[2]);
        }
        kv = DenseKv.zeros(Caches.geometry(LAYERS, HEADS), 0, TOKENS);
        fill(kv.keys(), floats("keys"));
        fill(kv.values(), floats("values"));
        hints =
                new Hints(
                        Map.of(
                                Hint.ATTENTION_SUM, floats("attention_sum"),
                                Hint.ATTENTION_WINDOW, floats("attention_window"),
                                Hint.QUERY_WINDOW, floats("query_window"),
                                Hint.QUERY_MOMENTS, floats("query_moments")));
    }

    static Stream<Arguments> oracles() {
        TopTokens top = new TopTokens();
        Allocator halves = new SinksAndRecent(0, 0.5, top);
        Scorer sum = new AttentionSum(false);
        Scorer expected = new ExpectedAttention(16, SINKS);
        return Stream.of(
                Arguments.of("knorm", new KeyNorm(), top),
                Arguments.of("streaming", new Recency(), new SinksAndRecent(SINKS, 1, top)),
                Arguments.of("snapkv", new AttentionWindow(WINDOW, 5), top),
                Arguments.of("observed", new AttentionSum(true), top),
                Arguments.of("expected", expected, top),
                Arguments.of("adakv", expected, new HeadAdaptive(0.2)),
                Arguments.of("h2o", sum, halves),
                Arguments.of("vatp", new ValueAware(sum), halves),
                Arguments.of("nacl", new ProxyWindow(2.0 / TOKENS), top));
    }

    @ParameterizedTest
    @MethodSource("oracles")
    void allocate_halfOfTheTokens_keepsThoseOfTheOracle(
            String name, Scorer scorer, Allocator allocator) {
        RateMap rates =
                allocator.allocate(
                        kv, scorer.score(kv, hints), Caches.raw(kv), Caches.budget(kv, 0.5));
        for (Kind kind : Kind.values()) {
            StringBuilder kept = new StringBuilder();
            for (byte[] layer : rates.plane(kind)) {
                for (byte bits : layer) {
                    kept.append(bits == 0 ? '0' : '1');
                }
            }
            assertThat(kept.toString()).as("%s of %s", kind, name).isEqualTo(lines.get(name));
        }
    }

    @Test
    void channelEnergy_windowOfQueries_keepsThinKsChannels() {
        ChannelMask mask = new ChannelEnergy(0.4, WINDOW).mask(kv, hints);
        StringBuilder kept = new StringBuilder();
        for (int layer = 0; layer < LAYERS; layer++) {
            for (int head = 0; head < HEADS; head++) {
                for (int channel = 0; channel < mask.dim(); channel++) {
                    kept.append(mask.of(layer, head).get(channel) ? '1' : '0');
                }
            }
        }
        assertThat(kept.toString()).isEqualTo(lines.get("think"));
    }

    @Test
    void channelEnergy_nothingPruned_keepsEverything() {
        ChannelMask mask = new ChannelEnergy(0, WINDOW).mask(kv, Hints.none());
        assertThat(mask.kept()).allSatisfy(set -> assertThat(set.cardinality()).isEqualTo(8));
    }

    private float[] floats(String name) {
        List<Float> numbers =
                Stream.of(Objects.requireNonNull(lines.get(name), name).split(" "))
                        .map(Float::valueOf)
                        .toList();
        float[] out = new float[numbers.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = numbers.get(i);
        }
        return out;
    }

    private static void fill(float[][] plane, float[] from) {
        for (int layer = 0; layer < plane.length; layer++) {
            System.arraycopy(
                    from, layer * plane[layer].length, plane[layer], 0, plane[layer].length);
        }
    }
}
