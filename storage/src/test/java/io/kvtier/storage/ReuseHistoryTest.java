package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.key;
import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReuseHistoryTest {
    private final List<String> forgotten = new ArrayList<>();
    private final ReuseHistory history =
            new ReuseHistory(4, (uses, last) -> forgotten.add(uses + "@" + last));

    @Test
    void take_added_givesItOnce() {
        history.add(key(1), 3, 77);

        assertThat(history.take(key(2))).isNull();
        assertThat(history.take(key(1))).isEqualTo(new ReuseHistory.Past(3, 77));
        assertThat(history.take(key(1))).isNull();
        assertThat(forgotten).isEmpty();
    }

    @Test
    void add_full_forgetsTheOldest() {
        history.add(key(1), 0, 50);
        history.add(key(2), 1, 20);
        history.add(key(3), 2, 40);
        history.add(key(4), 3, 30);
        history.add(key(5), 4, 60);

        assertThat(forgotten).containsExactly("1@20");
        assertThat(history.take(key(2))).isNull();
        for (int held : new int[] {1, 3, 4, 5}) {
            assertThat(history.take(key(held))).isNotNull();
        }
    }

    @Test
    void add_again_replacesWithoutForgetting() {
        history.add(key(1), 0, 10);
        history.add(key(2), 0, 11);
        history.add(key(1), 1, 20);

        assertThat(forgotten).isEmpty();
        assertThat(history.take(key(1))).isEqualTo(new ReuseHistory.Past(1, 20));
        assertThat(history.take(key(1))).isNull();
    }
}
