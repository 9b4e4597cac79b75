package io.kvtier.codec.method.attention;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.method.DenseKv;
import io.kvtier.codec.method.Kind;
import io.kvtier.codec.method.RateMap;
import io.kvtier.codec.testing.Property;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;

/** Streamed attention against one softmax over everything. */
class BlockAttentionTest {
    private static final int DIM = 8;
    private static final Offset<Float> CLOSE = Offset.offset(1e-5f);

    /** Logits of every row, −∞ where masked, then softmax: what streaming must equal. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Naive(double[][] weights, float[] output) {
        static Naive of(Queries queries, List<KeyBlock> blocks) {
            int rows = queries.heads() * queries.count();
            int keys = blocks.stream().mapToInt(b -> b.kv().tokens()).sum();
            double[][] weights = new double[rows][keys];
            float[] output = new float[rows * DIM];
            for (int row = 0; row < rows; row++) {
                double[] mixed = new double[DIM];
                double total = 0;
                int key = 0;
                for (KeyBlock block : blocks) {
                    for (int t = 0; t < block.kv().tokens(); t++, key++) {
                        weights[row][key] = weight(queries, block, row, t);
                        total += weights[row][key];
                        for (int d = 0; d < DIM; d++) {
                            mixed[d] += weights[row][key] * value(queries, block, row, t, d);
                        }
                    }
                }
                for (int d = 0; d < DIM && total > 0; d++) {
                    output[row * DIM + d] = (float) (mixed[d] / total);
                }
                for (int k = 0; k < keys && total > 0; k++) {
                    weights[row][k] /= total;
                }
            }
            return new Naive(weights, output);
        }

        private static int head(Queries queries, KeyBlock block, int row) {
            int group = queries.heads() / block.kv().geometry().kvHeads();
            return row / queries.count() / group;
        }

        private static double value(Queries queries, KeyBlock block, int row, int t, int d) {
            int heads = block.kv().geometry().kvHeads();
            return block.kv().values()[0][(t * heads + head(queries, block, row)) * DIM + d];
        }

        private static double weight(Queries queries, KeyBlock block, int row, int t) {
            int heads = block.kv().geometry().kvHeads();
            int head = head(queries, block, row);
            int position = queries.firstPosition() + row % queries.count();
            int age = position - block.kv().firstPosition() - t;
            int window = block.kv().geometry().window().getFirst();
            boolean seen = !queries.causal() || age >= 0;
            if (!seen || (window > 0 && age >= window) || !block.kept().get(head).get(t)) {
                return 0;
            }
            double logit = 0;
            for (int d = 0; d < DIM; d++) {
                double key = block.kv().keys()[0][(t * heads + head) * DIM + d];
                logit += queries.values()[row * DIM + d] * key / Math.sqrt(DIM);
            }
            int at = head * block.kv().tokens() + t;
            return Math.exp(logit + (block.bias().length == 0 ? 0 : block.bias()[at]));
        }
    }

    @Test
    void attend_anyChunkingAndMask_equalsOneSoftmax() {
        Property.forAll(
                60,
                random -> {
                    Geometry geometry =
                            geometry(random.nextBoolean() ? -1 : 1 + random.nextInt(90));
                    List<KeyBlock> blocks = blocks(random, geometry, 1 + random.nextInt(4), true);
                    Queries queries = queries(random, geometry, end(blocks), random.nextBoolean());
                    Naive naive = Naive.of(queries, blocks);
                    AttentionState state = BlockAttention.attend(queries, DIM, blocks.iterator());
                    assertThat(state.attended()).containsExactly(naive.output, CLOSE);
                    assertColumnSums(queries, blocks, state, naive);
                });
    }

    private static void assertColumnSums(
            Queries queries, List<KeyBlock> blocks, AttentionState state, Naive naive) {
        int key = 0;
        for (KeyBlock block : blocks) {
            int heads = block.kv().geometry().kvHeads();
            int group = queries.heads() / heads;
            float[] expected = new float[heads * block.kv().tokens()];
            for (int t = 0; t < block.kv().tokens(); t++, key++) {
                for (int row = 0; row < state.queries(); row++) {
                    int head = row / queries.count() / group;
                    expected[head * block.kv().tokens() + t] +=
                            (float) (naive.weights[row][key] / group);
                }
            }
            assertThat(BlockAttention.columnSums(queries, block, state))
                    .containsExactly(expected, CLOSE);
        }
    }

    @Test
    void merge_anyOrderAndGrouping_isTheSame() {
        Property.forAll(
                60,
                random -> {
                    List<KeyBlock> blocks = blocks(random, geometry(-1), 4, true);
                    Queries queries = queries(random, geometry(-1), end(blocks), false);
                    List<AttentionState> parts =
                            new ArrayList<>(
                                    blocks.stream()
                                            .map(b -> BlockAttention.attend(queries, b))
                                            .toList());
                    float[] expected = Naive.of(queries, blocks).output;
                    Collections.shuffle(parts, random);
                    AttentionState left =
                            parts.get(0)
                                    .merge(parts.get(1))
                                    .merge(parts.get(2))
                                    .merge(parts.get(3));
                    AttentionState tree =
                            parts.get(3)
                                    .merge(parts.get(2))
                                    .merge(parts.get(1).merge(parts.get(0)));
                    assertThat(left.attended()).containsExactly(expected, CLOSE);
                    assertThat(tree.attended()).containsExactly(expected, CLOSE);
                });
    }

    /** The reason for the online maximum: exp of these logits alone would overflow. */
    @Test
    void attend_hugeLogits_staysFinite() {
        List<KeyBlock> blocks = blocks(new Random(1), geometry(-1), 3, false);
        for (KeyBlock block : blocks) {
            for (int i = 0; i < block.kv().keys()[0].length; i++) {
                block.kv().keys()[0][i] *= 1000;
            }
        }
        Queries queries = queries(new Random(2), geometry(-1), end(blocks), true);
        for (float x : BlockAttention.attend(queries, DIM, blocks.iterator()).attended()) {
            assertThat(x).isFinite();
        }
    }

    /** One token with bias ln n stands for n equal ones. */
    @Test
    void attend_logCountBias_equalsRepeatedTokens() {
        DenseKv one = random(new Random(3), geometry(-1), 0, 3);
        DenseKv many = DenseKv.zeros(geometry(-1), 0, 9);
        int width = 2 * DIM;
        int[] counts = {1, 3, 5};
        int to = 0;
        float[] bias = new float[6];
        for (int t = 0; t < 3; t++) {
            bias[t] = (float) Math.log(counts[t]);
            bias[3 + t] = bias[t];
            for (int n = 0; n < counts[t]; n++, to++) {
                System.arraycopy(one.keys()[0], t * width, many.keys()[0], to * width, width);
                System.arraycopy(one.values()[0], t * width, many.values()[0], to * width, width);
            }
        }
        KeyBlock folded = new KeyBlock(one, 0, KeyBlock.whole(one, 0).kept(), bias);
        Queries queries = queries(new Random(4), geometry(-1), 9, false);
        assertThat(BlockAttention.attend(queries, folded).attended())
                .containsExactly(
                        BlockAttention.attend(queries, KeyBlock.whole(many, 0)).attended(), CLOSE);
    }

    @Test
    void attend_droppedTokens_mayHoldAnything() {
        DenseKv kv = random(new Random(5), geometry(-1), 0, 20);
        RateMap rates = RateMap.uniform(kv.geometry(), 20, 16);
        Arrays.fill(rates.plane(Kind.KEYS)[0], 4, 11, (byte) 0);
        Queries queries = queries(new Random(6), geometry(-1), 20, true);
        float[] before = BlockAttention.attend(queries, KeyBlock.kept(kv, 0, rates)).attended();
        for (int t = 4; t < 11; t++) {
            Arrays.fill(kv.keys()[0], t * 2 * DIM, t * 2 * DIM + DIM, 99);
            Arrays.fill(kv.values()[0], t * 2 * DIM, t * 2 * DIM + DIM, 99);
        }
        assertThat(BlockAttention.attend(queries, KeyBlock.kept(kv, 0, rates)).attended())
                .isEqualTo(before);
    }

    @Test
    void sharedAttention_batch_readsEachChunkOnceAndEqualsEachAlone() {
        Random random = new Random(7);
        List<KeyBlock> chunks = blocks(random, geometry(-1), 5, false);
        List<SharedAttention.Sequence<Integer>> batch = new ArrayList<>();
        for (List<Integer> path : List.of(List.of(0, 1, 2), List.of(0, 1, 3), List.of(0, 4))) {
            Queries queries = queries(random, geometry(-1), end(chunks), true);
            batch.add(new SharedAttention.Sequence<>(queries, path));
        }
        Map<Integer, Integer> reads = new HashMap<>();
        List<AttentionState> got =
                SharedAttention.attend(
                        batch,
                        DIM,
                        chunk -> {
                            reads.merge(chunk, 1, Integer::sum);
                            return chunks.get(chunk);
                        });
        assertThat(reads).hasSize(5).values().containsOnly(1);
        for (int s = 0; s < batch.size(); s++) {
            List<KeyBlock> path = batch.get(s).chunks().stream().map(chunks::get).toList();
            assertThat(got.get(s).attended())
                    .containsExactly(Naive.of(batch.get(s).queries(), path).output, CLOSE);
        }
    }

    private static Geometry geometry(int window) {
        Geometry full = Geometry.uniform(1, 4, 2, DIM, Dtype.F16, Rope.none());
        return new Geometry(
                full.queryHeads(),
                full.kvHeads(),
                DIM,
                DIM,
                full.dtype(),
                full.kind(),
                0,
                full.ropes(),
                full.ropeOf(),
                full.kvSource(),
                List.of(window));
    }

    private static int end(List<KeyBlock> blocks) {
        return blocks.getLast().kv().firstPosition() + blocks.getLast().kv().tokens();
    }

    private static List<KeyBlock> blocks(
            Random random, Geometry geometry, int count, boolean masked) {
        List<KeyBlock> out = new ArrayList<>();
        int position = 0;
        for (int i = 0; i < count; i++) {
            DenseKv kv = random(random, geometry, position, 1 + random.nextInt(150));
            position += kv.tokens();
            KeyBlock whole = KeyBlock.whole(kv, 0);
            if (!masked) {
                out.add(whole);
                continue;
            }
            List<BitSet> kept = new ArrayList<>();
            float[] bias = new float[2 * kv.tokens()];
            for (int head = 0; head < 2; head++) {
                BitSet set = new BitSet();
                for (int t = 0; t < kv.tokens(); t++) {
                    set.set(t, random.nextInt(3) > 0);
                    bias[head * kv.tokens() + t] = (float) Math.log(1 + random.nextInt(4));
                }
                kept.add(set);
            }
            out.add(new KeyBlock(kv, 0, kept, random.nextBoolean() ? bias : new float[0]));
        }
        return out;
    }

    private static DenseKv random(Random random, Geometry geometry, int position, int tokens) {
        DenseKv kv = DenseKv.zeros(geometry, position, tokens);
        for (int i = 0; i < kv.keys()[0].length; i++) {
            kv.keys()[0][i] = (float) random.nextGaussian();
            kv.values()[0][i] = (float) random.nextGaussian();
        }
        return kv;
    }

    private static Queries queries(Random random, Geometry geometry, int end, boolean causal) {
        int count = 1 + random.nextInt(Math.min(end, 6));
        float[] values = new float[geometry.queryHeads() * count * DIM];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return new Queries(geometry.queryHeads(), count, DIM, end - count, causal, values);
    }
}
