package io.kvtier.codec.method;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.method.policy.Caches;
import io.kvtier.codec.method.policy.Policies;
import io.kvtier.codec.method.stage.Halves;
import io.kvtier.codec.method.stage.PackBits;
import io.kvtier.codec.method.stage.RateQuant;
import io.kvtier.codec.method.stage.UndoRope;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which chains are refused before they run, and what a missing hint does. */
class MethodTest {
    private final Policy policy = Policies.heavyHitters();

    @Test
    void new_stageBehindACoder_isRefusedWithWhatItTakes() {
        assertThatThrownBy(
                        () ->
                                Method.chain(
                                        "m", "none", new Halves(), new PackBits(), new UndoRope()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("undo-rope")
                .hasMessageContaining("BYTES");
    }

    @Test
    void new_noCoder_isRefused() {
        assertThatThrownBy(() -> Method.chain("m", "none", new Halves()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("SYMBOLS");
    }

    @Test
    void new_policyThatNobodyReads_isRefused() {
        assertThatThrownBy(() -> Method.chain("m", policy, 0.5, new Halves(), new PackBits()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("one that reads its rates");
    }

    @Test
    void new_ratesThatNobodyWrites_isRefused() {
        assertThatThrownBy(() -> Method.chain("m", "none", new RateQuant(), new PackBits()))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("a policy for the stage");
    }

    @Test
    void decide_withoutTheHint_namesTheFallbackAndMeetsTheBudget() {
        Method method = Method.chain("m", policy, 0.5, new RateQuant(), new PackBits());
        DenseKv kv = Caches.random(new Random(1), 4, 2, 64);
        Policy.Decision with = method.decide(kv, Caches.hints(new Random(2), kv));
        Policy.Decision without = method.decide(kv, Hints.none());
        assertThat(with.fellBack()).isFalse();
        assertThat(without.fellBack()).isTrue();
        assertThat(without.scorer()).isEqualTo(policy.fallback().name());
        long half = RateMap.uniform(kv.geometry(), 64, RateMap.RAW).bytes(kv.geometry()) / 2;
        assertThat(without.rates().bytes(kv.geometry())).isLessThanOrEqualTo(half);
    }
}
