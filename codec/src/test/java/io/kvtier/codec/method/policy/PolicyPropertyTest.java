package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.method.Allocator;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.Policy;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.method.Scorer;
import io.kvtier.codec.method.Scores;
import io.kvtier.codec.testing.Property;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What holds for every token policy that is registered. */
class PolicyPropertyTest {
    private static final double[] SHARES = {0.55, 0.6, 0.75, 1};

    static List<Policy> policies() {
        return Policies.all(Caches.WINDOW);
    }

    @ParameterizedTest
    @MethodSource("policies")
    void decide_anyCache_meetsTheBudgetAndUsesIt(Policy policy) {
        Property.forAll(
                20,
                random -> {
                    DenseKv kv = cache(random);
                    Hints hints = Caches.hints(random, kv);
                    for (double share : SHARES) {
                        long bytes = Caches.budget(kv, share);
                        RateMap from = Caches.raw(kv);
                        Policy.Decision decision = policy.decide(kv, hints, from, bytes);
                        long used = decision.rates().bytes(kv.geometry());
                        assertThat(used).as("share %s", share).isLessThanOrEqualTo(bytes);
                        assertThat(used).isGreaterThan(bytes / 4);
                        assertThat(decision.scorer()).isEqualTo(policy.scorer().name());
                        assertThat(decision.fellBack()).isFalse();
                        for (Kind kind : Kind.values()) {
                            assertOnlyLowered(from.plane(kind), decision.rates().plane(kind));
                        }
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("policies")
    void decide_again_isTheSameAndLeavesItsInputs(Policy policy) {
        Property.forAll(
                10,
                random -> {
                    DenseKv kv = cache(random);
                    Hints hints = Caches.hints(random, kv);
                    long bytes = Caches.budget(kv, 0.6);
                    RateMap from = Caches.raw(kv);
                    int keys = Arrays.deepHashCode(kv.keys());
                    int values = Arrays.deepHashCode(kv.values());
                    RateMap first = policy.decide(kv, hints, from, bytes).rates();
                    RateMap second = policy.decide(kv, hints, from, bytes).rates();
                    for (Kind kind : Kind.values()) {
                        assertThat(second.plane(kind)).isDeepEqualTo(first.plane(kind));
                        assertThat(from.plane(kind)).isDeepEqualTo(Caches.raw(kv).plane(kind));
                    }
                    assertThat(Arrays.deepHashCode(kv.keys())).isEqualTo(keys);
                    assertThat(Arrays.deepHashCode(kv.values())).isEqualTo(values);
                });
    }

    /** On allocators alone: with scores all equal a head that drops anything drops from the end. */
    @ParameterizedTest
    @MethodSource("policies")
    void allocate_equalScores_tiesGoToTheLowerPosition(Policy policy) {
        if (isPositional(policy.allocator())) {
            return;
        }
        DenseKv kv = Caches.equal(6, 2, 48);
        Scores equal = Scores.zeros(6, 2, 48);
        for (double share : SHARES) {
            RateMap rates =
                    policy.allocator()
                            .allocate(kv, equal, Caches.raw(kv), Caches.budget(kv, share));
            for (Kind kind : Kind.values()) {
                for (byte[] layer : rates.plane(kind)) {
                    for (int i = 1; i < layer.length; i++) {
                        if (i % 48 != 0) {
                            assertThat(layer[i]).isLessThanOrEqualTo(layer[i - 1]);
                        }
                    }
                }
            }
        }
    }

    /** Those that prefer some positions, or draw them, whatever the scores. */
    private static boolean isPositional(Allocator allocator) {
        return switch (allocator) {
            case SinksAndRecent s -> true;
            case CosineLayers c -> true;
            case RecencyGraded r -> true;
            default -> false;
        };
    }

    @ParameterizedTest
    @MethodSource("policies")
    void score_onlyDeclaredHints_isEnough(Policy policy) {
        DenseKv kv = cache(new Random(3));
        Hints all = Caches.hints(new Random(4), kv);
        Scorer scorer = policy.scorer();
        Scores expected = scorer.score(kv, all);
        assertThat(scorer.score(kv, only(all, scorer.needs())).values())
                .isDeepEqualTo(expected.values());
        for (Hint hint : scorer.needs()) {
            Set<Hint> fewer = new HashSet<>(scorer.needs());
            fewer.remove(hint);
            assertThatThrownBy(() -> scorer.score(kv, only(all, fewer)))
                    .isInstanceOf(InvalidRequestException.class)
                    .hasMessageContaining(hint.name());
        }
    }

    @ParameterizedTest
    @MethodSource("policies")
    void decide_withoutHints_namesItsFallback(Policy policy) {
        DenseKv kv = cache(new Random(5));
        long bytes = Caches.budget(kv, 0.6);
        Policy.Decision decision = policy.decide(kv, Hints.none(), Caches.raw(kv), bytes);
        assertThat(decision.fellBack()).isEqualTo(!policy.scorer().needs().isEmpty());
        assertThat(decision.scorer()).isEqualTo(policy.fallback().name());
        assertThat(decision.rates().bytes(kv.geometry())).isLessThanOrEqualTo(bytes);
    }

    @ParameterizedTest
    @MethodSource("policies")
    void decide_noBytes_refusesOrDropsEverything(Policy policy) {
        DenseKv kv = cache(new Random(6));
        Hints hints = Caches.hints(new Random(7), kv);
        try {
            RateMap rates = policy.decide(kv, hints, Caches.raw(kv), 0).rates();
            assertThat(rates.bytes(kv.geometry())).isZero();
        } catch (InvalidRequestException refused) {
            assertThat(refused).hasMessageContaining("budget");
        }
    }

    private static DenseKv cache(Random random) {
        return Caches.random(random, 6, 1 + random.nextInt(2), 64 + random.nextInt(40));
    }

    private static Hints only(Hints hints, Set<Hint> which) {
        Map<Hint, float[]> out = new EnumMap<>(Hint.class);
        which.forEach(hint -> out.put(hint, hints.values().getOrDefault(hint, new float[0])));
        return new Hints(out);
    }

    private static void assertOnlyLowered(byte[][] from, byte[][] to) {
        for (int layer = 0; layer < from.length; layer++) {
            for (int i = 0; i < from[layer].length; i++) {
                assertThat(to[layer][i]).isBetween((byte) 0, from[layer][i]);
            }
        }
    }
}
