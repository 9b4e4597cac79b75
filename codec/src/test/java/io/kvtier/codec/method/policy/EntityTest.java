package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** Which tokens are entities, and that they outlive the others. */
class EntityTest {
    @Test
    void tag_numbersNamesAndSuccessors_areEntities() {
        List<String> tokens =
                List.of(
                        "The", " code", " of", " Ann", "ika", " is", " ", "4", "7", ".", " It",
                        " is");
        assertThat(new EntityTagger(0).tag(tokens))
                .containsExactly(0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 0);
        assertThat(new EntityTagger(1).tag(tokens))
                .containsExactly(0, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0);
    }

    @Test
    void tag_byteLevelAndSentencePieceSpaces_beginWords() {
        assertThat(new EntityTagger(0).tag(List.of("a", "\u0120Bob", "\u0120x", "\u2581Eve", "Q")))
                .containsExactly(0, 1, 0, 1, 1);
    }

    @Test
    void tag_capitalBehindALineBreak_isNoEntity() {
        assertThat(new EntityTagger(0).tag(List.of("a", "\n", "But", " no", "!", " Go")))
                .containsExactly(0, 0, 0, 0, 0, 0);
    }

    @Test
    void entityFloor_half_dropsNoEntityWhileOthersAreLeft() {
        DenseKv kv = Caches.random(new Random(1), 2, 2, 40);
        Map<Hint, float[]> hints = new HashMap<>(Caches.hints(new Random(2), kv).values());
        RateMap rates =
                new TopTokens()
                        .allocate(
                                kv,
                                new EntityFloor(new AttentionSum(false))
                                        .score(kv, new Hints(hints)),
                                Caches.raw(kv),
                                Caches.budget(kv, 0.5));
        float[] entity = Objects.requireNonNull(hints.get(Hint.ENTITY));
        for (int token = 0; token < 40; token++) {
            for (int i = 0; i < 4 && entity[token] > 0; i++) {
                assertThat(rates.bits(Kind.KEYS, i / 2, i % 2, token)).isPositive();
            }
        }
    }
}
