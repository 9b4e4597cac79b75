package io.kvtier.codec.method.policy;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Hint;
import io.kvtier.codec.method.Hints;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

    /** The survey's figure for rules alone; names that begin a sentence are what they miss. */
    @Test
    void tag_twoHundredSpansByHand_f1IsAtLeastEightTenths() throws IOException {
        int found = 0;
        int missed = 0;
        int wrong = 0;
        Path file = Path.of("src", "test", "resources", "entities.txt");
        for (String line : Files.readAllLines(file)) {
            List<String> tokens = new ArrayList<>();
            List<Integer> spans = new ArrayList<>();
            split(line, tokens, spans);
            float[] tagged = new EntityTagger(0).tag(tokens);
            Map<Integer, Boolean> whole = new HashMap<>();
            for (int i = 0; i < tagged.length; i++) {
                boolean hit = tagged[i] > 0;
                if (spans.get(i) == 0) {
                    wrong +=
                            hit && Character.isLetterOrDigit(tokens.get(i).strip().charAt(0))
                                    ? 1
                                    : 0;
                } else {
                    Boolean _ = whole.merge(spans.get(i), hit, Boolean::logicalAnd);
                }
            }
            found += (int) whole.values().stream().filter(hit -> hit).count();
            missed += (int) whole.values().stream().filter(hit -> !hit).count();
        }
        assertThat(found + missed).isGreaterThanOrEqualTo(200);
        assertThat(2.0 * found / (2 * found + missed + wrong)).isGreaterThanOrEqualTo(0.8);
    }

    /**
     * Cuts a line into tokens of up to four characters, numbers digit by digit, with the number of
     * the span that each belongs to; 0 = none. Marks within a span, such as a colon, count as none.
     */
    private static void split(String line, List<String> tokens, List<Integer> spans) {
        int span = 0;
        int inside = 0;
        StringBuilder token = new StringBuilder();
        for (int i = 0; i <= line.length(); i++) {
            char c = i < line.length() ? line.charAt(i) : ' ';
            boolean bracket = c == '[' || c == ']';
            boolean joins =
                    Character.isLetter(c)
                            && token.length() < 4
                            && !token.isEmpty()
                            && !Character.isDigit(token.charAt(token.length() - 1));
            if (!joins && !token.isEmpty() && !token.toString().isBlank()) {
                tokens.add(token.toString());
                boolean named = token.chars().anyMatch(Character::isLetterOrDigit);
                spans.add(inside > 0 && named ? inside : 0);
                token.setLength(0);
            }
            if (bracket) {
                span += c == '[' ? 1 : 0;
                inside = c == '[' ? span : 0;
            } else {
                token.append(c);
            }
        }
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
