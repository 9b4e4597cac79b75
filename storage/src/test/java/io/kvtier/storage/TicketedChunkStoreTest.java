package io.kvtier.storage;

import static io.kvtier.storage.TestChunks.get;
import static io.kvtier.storage.TestChunks.key;
import static io.kvtier.storage.TestChunks.meta;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.TestChunks.ManualClock;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

class TicketedChunkStoreTest extends ChunkStoreContract {
    private static final long SEED = 20_261_124;
    private static final String ALICE = "alice";
    private static final String BOB = "bob";

    /** Pages of {@link TestChunks#BYTES} are not counted: tickets count values. */
    private static final long PER_CLIENT = 4L * TestChunks.BYTES;

    private final ManualClock clock = new ManualClock();

    @Override
    protected ChunkStore create(BlobPool pool, Path folder) {
        HotTier hot = new HotTier(pool, HotTierOptions.ofBytesMax(BYTES_MAX), clock);
        TicketOptions options =
                new TicketOptions(PER_CLIENT, 6L * TestChunks.BYTES, Duration.ofSeconds(5));
        return new TicketedChunkStore(hot, pool, options, clock);
    }

    @Override
    protected Durability durability() {
        return Durability.MEMORY;
    }

    private TicketedChunkStore tickets() {
        return (TicketedChunkStore) store;
    }

    private static List<StoreKey> keys(int count) {
        return IntStream.range(0, count).mapToObj(TestChunks::key).toList();
    }

    private void fill() {
        for (int number = 0; number < FITTING; number++) {
            var _ = put(key(number), meta(number, 1));
        }
    }

    /** Puts so much that nothing is left of what was there. */
    private void evictAll() {
        for (int number = 1000; number < 1100; number++) {
            var _ = put(key(number), meta(number, 1));
        }
        for (int number = 0; number < FITTING; number++) {
            assertThat(store.find(key(number))).isEmpty();
        }
    }

    @AfterEach
    void assertIdle() {
        tickets().unprotect(ALICE);
        tickets().unprotect(BOB);
        assertThat(tickets().tickets()).isZero();
        assertThat(tickets().ticketBytes()).isZero();
    }

    @Test
    void open_evictedSinceTheLookup_isThereUntilTheTicketEnds() {
        fill();
        store.protect(ALICE, keys(3));
        evictAll();

        for (int range = 0; range < 6; range++) {
            int number = range % 3;
            assertThat(get(store, key(number))).contains(meta(number, 1));
        }

        clock.advance(Duration.ofSeconds(5));
        tickets().sweep();
        assertThat(tickets().tickets()).isZero();
        assertThat(get(store, key(0))).isEmpty();
    }

    @Test
    void open_stillHeld_endsTheTicket() {
        fill();
        store.protect(ALICE, keys(2));
        store.protect(BOB, keys(1));
        assertThat(tickets().tickets()).isEqualTo(3);

        assertThat(get(store, key(0))).isPresent();

        assertThat(tickets().tickets()).as("one of two of this key").isEqualTo(2);
        assertThat(tickets().ticketBytes()).isEqualTo(2L * TestChunks.BYTES);
    }

    @Test
    void sweep_afterTheLifetime_endsWhatNobodyOpened() {
        fill();
        store.protect(ALICE, keys(2));
        clock.advance(Duration.ofSeconds(3));
        store.protect(BOB, keys(1));
        // Another lookup of the same client starts anew.
        store.protect(ALICE, keys(1));

        clock.advance(Duration.ofSeconds(2));
        tickets().sweep();
        assertThat(tickets().tickets()).isEqualTo(2);
        clock.advance(Duration.ofSeconds(3));
        tickets().sweep();

        assertThat(tickets().tickets()).isZero();
        evictAll();
        assertThat(get(store, key(0))).isEmpty();
    }

    @Test
    void unprotect_goneClient_endsItsTicketsAlone() {
        fill();
        store.protect(ALICE, keys(2));
        store.protect(BOB, keys(2));

        store.unprotect(ALICE);

        assertThat(tickets().tickets()).isEqualTo(2);
        evictAll();
        assertThat(get(store, key(1))).contains(meta(1, 1));
    }

    @Test
    void protect_beyondALimit_holdsTheHeadOfTheChain() {
        fill();
        store.protect(ALICE, keys(10));
        assertThat(tickets().ticketBytes()).isEqualTo(PER_CLIENT);
        store.protect(BOB, keys(10));
        assertThat(tickets().tickets()).as("limit of all").isEqualTo(6);
        evictAll();
        for (int number = 0; number < 5; number++) {
            assertThat(get(store, key(number)).isPresent()).isEqualTo(number < 4);
        }
    }

    @Test
    void protect_missing_holdsNothing() {
        store.protect(ALICE, keys(5));
        assertThat(tickets().tickets()).isZero();
    }

    @Test
    void remove_protected_isGoneForGood() {
        fill();
        store.protect(ALICE, keys(1));
        store.protect(BOB, keys(1));

        assertThat(store.remove(key(0))).isTrue();

        assertThat(tickets().tickets()).isZero();
        assertThat(get(store, key(0))).isEmpty();
    }

    @Test
    void allocate_poolFull_endsTicketsBeforeItRefuses() {
        fill();
        store.protect(ALICE, keys(4));
        try (WritableBlob all = pool.allocate(pool.options().bytesMax())) {
            assertThat(all.bytes()).isPositive();
            assertThat(tickets().tickets()).isZero();
        }
    }

    @Test
    void protectAndOpen_atRandom_countsEveryByteAndLeavesNone() {
        SplittableRandom random = new SplittableRandom(SEED);
        fill();
        for (int step = 0; step < 20_000; step++) {
            StoreKey key = key(random.nextInt(FITTING + 4));
            String client = "client" + random.nextInt(5);
            switch (random.nextInt(7)) {
                case 0 -> store.unprotect(client);
                case 1 -> {
                    var _ = get(store, key);
                }
                case 2 -> {
                    clock.advance(Duration.ofMillis(random.nextInt(2000)));
                    tickets().sweep();
                }
                case 3 -> {
                    boolean _ = store.remove(key);
                    var _ = put(key, meta(step, 1));
                }
                default -> store.protect(client, List.of(key, key(random.nextInt(FITTING))));
            }
            assertThat(tickets().ticketBytes())
                    .as("seed %d step %d", SEED, step)
                    .isEqualTo((long) tickets().tickets() * TestChunks.BYTES)
                    .isLessThanOrEqualTo(6L * TestChunks.BYTES);
        }
        clock.advance(Duration.ofSeconds(6));
        tickets().sweep();
    }

    @Test
    void options_longerThanFiveSeconds_areRefused() {
        assertThatThrownBy(() -> new TicketOptions(1, 1, Duration.ofSeconds(6)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("PT5S");
    }
}
