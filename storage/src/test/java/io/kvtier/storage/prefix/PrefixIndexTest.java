package io.kvtier.storage.prefix;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.storage.InvalidRequestException;
import io.kvtier.storage.StoreKey;
import java.nio.ByteBuffer;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class PrefixIndexTest {
    private static final int CHUNK = 4;

    private final PrefixIndex index = new PrefixIndex(CHUNK, PrefixIndexTest::key);

    static StoreKey key(@Nullable StoreKey parent, int[] tokens) {
        try {
            ByteBuffer bytes = ByteBuffer.allocate(StoreKey.BYTES + 4 * tokens.length);
            if (parent != null) {
                parent.write(bytes);
            }
            for (int token : tokens) {
                bytes.putInt(token);
            }
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            sha.update(bytes.flip());
            return StoreKey.of(new byte[StoreKey.SCOPE_BYTES], sha.digest());
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e);
        }
    }

    /** A sequence, a copy of all its tokens, and the keys of their full chunks. */
    private record Copied(Sequence sequence, List<Integer> tokens, List<StoreKey> chain) {
        static Copied of(Sequence sequence, int[] tokens) {
            Copied copied = new Copied(sequence, new ArrayList<>(), new ArrayList<>());
            copied.add(tokens);
            return copied;
        }

        Copied branch() {
            return new Copied(sequence.branch(), new ArrayList<>(tokens), new ArrayList<>(chain));
        }

        void add(int[] more) {
            tokens.addAll(boxed(more));
            while ((chain.size() + 1) * CHUNK <= tokens.size()) {
                int from = chain.size() * CHUNK;
                int[] chunk = unboxed(tokens.subList(from, from + CHUNK));
                chain.add(key(chain.isEmpty() ? null : chain.getLast(), chunk));
            }
        }
    }

    /**
     * Against a model that copies everything: contents are equal, and what is stored is exactly the
     * set of distinct prefixes that were sealed and not evicted, with the tails that differ.
     */
    @Test
    void sequences_randomOperations_equalACopyOfEverything() {
        long seed = 20261124;
        Random random = new Random(seed);
        List<Copied> open = new ArrayList<>();
        Map<StoreKey, Optional<StoreKey>> parents = new HashMap<>();
        long copiesMax = 0;
        for (int step = 0; step < 10_000; step++) {
            String at = "seed " + seed + " step " + step;
            switch (open.isEmpty() ? 0 : open.size() > 10 ? 8 : random.nextInt(10)) {
                case 0 -> {
                    int[] tokens = random.ints(random.nextInt(20), 0, 2).toArray();
                    open.add(Copied.of(index.open(tokens), tokens));
                }
                case 1, 2 -> open.add(any(open, random).branch());
                case 3, 4, 5, 6 -> {
                    Copied to = any(open, random);
                    int[] tokens = random.ints(1 + random.nextInt(6), 0, 2).toArray();
                    long before = index.copies();
                    to.sequence().append(tokens);
                    to.add(tokens);
                    assertThat(index.copies() - before).as(at).isLessThanOrEqualTo(1);
                    copiesMax += index.copies() - before;
                }
                case 7, 8 -> {
                    Copied gone = any(open, random);
                    open.remove(gone);
                    gone.sequence().close();
                }
                default -> evictAndCheck(open, random.nextInt(24), at);
            }
            for (Copied each : open) {
                for (int i = 0; i < each.chain().size(); i++) {
                    StoreKey parent = i == 0 ? null : each.chain().get(i - 1);
                    parents.put(each.chain().get(i), Optional.ofNullable(parent));
                }
            }
            boolean _ = parents.keySet().removeIf(key -> !index.holds(key));
            check(open, parents, at);
        }
        assertThat(copiesMax).isPositive();
        open.forEach(each -> each.sequence().close());
        assertThat(index.sequences()).isZero();
        assertThat(index.evict(Integer.MAX_VALUE)).isPositive();
        assertThat(index.storedTokens()).isZero();
        assertThat(index.allocatedTokens()).isZero();
    }

    private void evictAndCheck(List<Copied> open, int count, String at) {
        int before = index.chunks();
        int evicted = index.evict(count);
        assertThat(before - index.chunks()).as(at).isEqualTo(evicted);
        Set<StoreKey> needed = new HashSet<>();
        open.forEach(each -> needed.addAll(each.chain()));
        if (evicted < count) {
            assertThat(index.chunks()).as(at).isEqualTo(needed.size());
        }
    }

    private void check(List<Copied> open, Map<StoreKey, Optional<StoreKey>> parents, String at) {
        assertThat(index.sequences()).as(at).isEqualTo(open.size());
        assertThat(index.chunks()).as(at).isEqualTo(parents.size());
        long tails = 0;
        Set<Object> seen = new HashSet<>();
        for (Copied each : open) {
            Sequence sequence = each.sequence();
            int full = each.tokens().size() / CHUNK * CHUNK;
            assertThat(sequence.tokens()).as(at).isEqualTo(each.tokens().size());
            assertThat(sequence.chain()).as(at).isEqualTo(each.chain());
            List<Integer> tail = boxed(sequence.tail());
            assertThat(tail).as(at).isEqualTo(each.tokens().subList(full, each.tokens().size()));
            assertThat(index.match(unboxed(each.tokens()))).as(at).isEqualTo(full);
            tails += seen.add(sequence.tailIdentity()) ? tail.size() : 0;
        }
        for (Optional<StoreKey> parent : parents.values()) {
            assertThat(parent.map(index::holds).orElse(true)).as(at + ": an orphan").isTrue();
        }
        assertThat(index.storedTokens()).as(at).isEqualTo((long) parents.size() * CHUNK + tails);
    }

    @Test
    void match_randomOperations_equalsARadixTree() {
        long seed = 7;
        Random random = new Random(seed);
        RadixTree tree = new RadixTree(CHUNK);
        List<int[]> inserted = new ArrayList<>();
        long matched = 0;
        for (int step = 0; step < 100_000; step++) {
            int[] tokens = random.ints(random.nextInt(40), 0, 2).toArray();
            if (!inserted.isEmpty() && random.nextBoolean()) {
                int[] known = inserted.get(random.nextInt(inserted.size()));
                int[] longer = Arrays.copyOf(known, known.length + tokens.length);
                System.arraycopy(tokens, 0, longer, known.length, tokens.length);
                tokens = Arrays.copyOf(longer, random.nextInt(longer.length + 1));
            }
            switch (random.nextInt(8)) {
                case 0 -> {
                    index.open(tokens).close();
                    tree.insert(tokens);
                    inserted.add(tokens);
                    if (inserted.size() > 50) {
                        inserted.removeFirst();
                    }
                }
                case 1 -> {
                    while (index.chunks() > 200) {
                        assertThat(index.evict(1)).isEqualTo(1);
                        assertThat(tree.evict()).isTrue();
                    }
                }
                default -> {
                    int length = index.match(tokens);
                    matched += length;
                    assertThat(length)
                            .as("seed %s step %s: %s", seed, step, Arrays.toString(tokens))
                            .isEqualTo(tree.match(tokens));
                }
            }
        }
        assertThat(matched).isPositive();
    }

    /** Six beams over a prompt, of which the best three are kept and branched at each step. */
    @Test
    void beams_ofOneRequest_storeTheTrieAndLittleElse() {
        PrefixIndex beams = new PrefixIndex(256, PrefixIndexTest::key);
        Random random = new Random(3);
        int[] prompt = random.ints(2000, 0, 50_000).toArray();
        List<Sequence> open = new ArrayList<>(List.of(beams.open(prompt)));
        long unshared = 0;
        for (int step = 0; step < 600; step++) {
            if (step % 20 == 0) {
                List<Sequence> next = new ArrayList<>();
                for (Sequence parent : open.subList(0, Math.min(3, open.size()))) {
                    next.add(parent.branch());
                    next.add(parent.branch());
                }
                open.forEach(Sequence::close);
                open = next;
            }
            open.forEach(beam -> beam.append(random.nextInt(50_000)));
        }
        for (Sequence beam : open) {
            unshared += beam.tokens();
        }
        int evicted = beams.evict(Integer.MAX_VALUE);
        assertThat(evicted).isPositive();
        assertThat(beams.storedTokens()).isLessThan((long) (0.63 * unshared));
        double waste = 1 - (double) beams.storedTokens() / beams.allocatedTokens();
        assertThat(waste).isLessThan(0.04);
        open.forEach(Sequence::close);
        assertThat(beams.sequences()).isZero();
    }

    @Test
    void evict_chainInUse_keepsAllOfIt() {
        int[] tokens = new int[3 * CHUNK];
        try (Sequence held = index.open(tokens)) {
            assertThat(index.evict(10)).isZero();
            assertThat(held.chain()).hasSize(3);
        }
        assertThat(index.evict(1)).isEqualTo(1);
        assertThat(index.match(tokens)).isEqualTo(2 * CHUNK);
    }

    @Test
    void sequence_closed_isRefused() {
        Sequence sequence = index.open(new int[3]);
        sequence.close();
        sequence.close();
        assertThat(index.storedTokens()).isZero();
        assertThatThrownBy(() -> sequence.append(1)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(sequence::branch).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> new PrefixIndex(0, PrefixIndexTest::key))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("chunkTokens is 0");
    }

    private static Copied any(List<Copied> open, Random random) {
        return open.get(random.nextInt(open.size()));
    }

    private static List<Integer> boxed(int[] tokens) {
        return new ArrayList<>(Arrays.stream(tokens).boxed().toList());
    }

    private static int[] unboxed(List<Integer> tokens) {
        return tokens.stream().mapToInt(Integer::intValue).toArray();
    }
}
