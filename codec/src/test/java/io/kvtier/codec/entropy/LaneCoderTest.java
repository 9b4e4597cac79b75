package io.kvtier.codec.entropy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.testing.Property;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class LaneCoderTest {
    private static final int PADDING = TokenTables.PADDING;

    /** Rows of one segment: a base and its refinement, as drawn for a seed. */
    @SuppressWarnings("ArrayRecordComponent") // test data, never compared
    private record Rows(int lanes, TokenTables tokens, int[] index, int[][] coarse, int[][] fine) {
        static Rows draw(Random random) {
            TokenTables tokens = new TokenTables(256);
            int n = 1 + random.nextInt(256);
            tokens.reset(n);
            boolean classes = random.nextBoolean();
            for (int t = 0; classes && t < n; t++) {
                tokens.setClass(t, random.nextInt(17) - 10);
            }
            if (random.nextBoolean()) {
                tokens.setRaw(0);
            }
            int rows = 1 + random.nextInt(12);
            int[] index = new int[rows];
            int[][] coarse = new int[rows][n + PADDING];
            int[][] fine = new int[rows][n + PADDING];
            for (int r = 0; r < rows; r++) {
                index[r] = random.nextInt(64);
                for (int t = 0; t < n; t++) {
                    int table = tokens.table(t, index[r]);
                    double sigma = Math.pow(2, (table - 24) / 4.0);
                    double tail = random.nextInt(50) == 0 ? 20 : 1; // escapes, too
                    double y = random.nextGaussian() * sigma * tail;
                    boolean raw = table == GaussianTables.CERTAIN;
                    fine[r][t] = raw ? 0 : (int) Math.round(3 * y);
                    coarse[r][t] = Rungs.coarser(fine[r][t]);
                }
            }
            return new Rows(8 << random.nextInt(3), tokens, index, coarse, fine);
        }

        ByteBuffer base(LaneEncoder encoder) {
            encoder.begin(lanes, 3);
            encoder.side(5).put(new byte[] {1, 2, 3, 4, 5});
            for (int r = 0; r < index.length; r++) {
                encoder.row(index[r], tokens, coarse[r], 0);
            }
            return encoder.finish();
        }

        ByteBuffer refinement(LaneEncoder encoder) {
            encoder.begin(lanes, 3);
            for (int r = 0; r < index.length; r++) {
                encoder.refine(index[r], tokens, coarse[r], fine[r], 0);
            }
            return encoder.finish();
        }

        int[][] decodeBase(LaneDecoder decoder, ByteBuffer bytes) {
            decoder.begin(MemorySegment.ofBuffer(bytes));
            int[][] out = new int[index.length][tokens.tokens + PADDING];
            for (int r = 0; r < index.length; r++) {
                decoder.row(index[r], tokens, out[r], 0);
            }
            decoder.finish();
            return trimmed(out);
        }

        int[][] decodeRefinement(LaneDecoder decoder, ByteBuffer bytes) {
            decoder.begin(MemorySegment.ofBuffer(bytes));
            int[][] out = new int[index.length][];
            for (int r = 0; r < index.length; r++) {
                out[r] = coarse[r].clone();
                decoder.refine(index[r], tokens, out[r], 0);
            }
            decoder.finish();
            return trimmed(out);
        }

        int[][] trimmed(int[][] rows) {
            return Arrays.stream(rows)
                    .map(row -> Arrays.copyOf(row, tokens.tokens))
                    .toArray(int[][]::new);
        }
    }

    @Test
    void rows_encodedAndDecoded_areTheSameOnBothPaths() {
        LaneEncoder encoder = new LaneEncoder(false);
        LaneEncoder vectors = new LaneEncoder(true);
        LaneDecoder scalar = new LaneDecoder(false);
        LaneDecoder vector = new LaneDecoder(true);
        Property.forAll(
                500,
                random -> {
                    Rows rows = Rows.draw(random);
                    ByteBuffer base = rows.base(encoder);
                    assertThat(rows.base(vectors)).isEqualTo(base);
                    assertThat(rows.decodeBase(scalar, base))
                            .isDeepEqualTo(rows.trimmed(rows.coarse));
                    assertThat(rows.decodeBase(vector, base))
                            .isDeepEqualTo(rows.trimmed(rows.coarse));
                    ByteBuffer refinement = rows.refinement(encoder);
                    assertThat(rows.refinement(vectors)).isEqualTo(refinement);
                    assertThat(rows.decodeRefinement(scalar, refinement))
                            .isDeepEqualTo(rows.trimmed(rows.fine));
                    assertThat(rows.decodeRefinement(vector, refinement))
                            .isDeepEqualTo(rows.trimmed(rows.fine));
                });
    }

    @Test
    void row_valueOfARawTokenOrDigitBeyondOne_isRefusedOnBothPaths() {
        TokenTables tokens = new TokenTables(16);
        tokens.reset(16);
        tokens.setRaw(3);
        int[] zeros = new int[16];
        int[] raw = new int[16];
        raw[3] = 1;
        int[] far = new int[16];
        far[9] = -2;
        for (boolean vectors : new boolean[] {false, true}) {
            LaneEncoder encoder = new LaneEncoder(vectors);
            encoder.begin(8, 1);
            assertThatThrownBy(() -> encoder.row(30, tokens, raw, 0))
                    .isInstanceOf(InvalidRequestException.class);
            assertThatThrownBy(() -> encoder.refine(30, tokens, zeros, raw, 0))
                    .isInstanceOf(InvalidRequestException.class);
            assertThatThrownBy(() -> encoder.refine(30, tokens, zeros, far, 0))
                    .isInstanceOf(InvalidRequestException.class);
        }
    }

    @Test
    void side_isHandedBack() {
        Rows rows = Rows.draw(new Random(1));
        LaneDecoder decoder = new LaneDecoder(false);
        decoder.begin(MemorySegment.ofBuffer(rows.base(new LaneEncoder())));
        assertThat(decoder.groups()).isEqualTo(3);
        assertThat(decoder.side().toArray(java.lang.foreign.ValueLayout.JAVA_BYTE))
                .containsExactly(1, 2, 3, 4, 5);
    }

    @Test
    void size_ofGaussianRows_isWithinThreePercentOfTheEntropy() {
        Random random = new Random(7);
        TokenTables tokens = new TokenTables(256);
        tokens.reset(256);
        for (int index = 16; index <= 44; index += 4) {
            double sigma = Math.pow(2, (index - 24) / 4.0);
            LaneEncoder encoder = new LaneEncoder();
            encoder.begin(32, 1);
            int[] q = new int[256 + PADDING];
            java.util.Map<Integer, Integer> counts = new java.util.HashMap<>();
            int rows = 400;
            for (int r = 0; r < rows; r++) {
                for (int t = 0; t < 256; t++) {
                    q[t] = (int) Math.round(random.nextGaussian() * sigma);
                    counts.merge(q[t], 1, Integer::sum);
                }
                encoder.row(index, tokens, q, 0);
            }
            double total = rows * 256.0;
            double entropy =
                    counts.values().stream()
                            .mapToDouble(c -> -c / Math.log(2) * Math.log(c / total))
                            .sum();
            double bits = 8.0 * (encoder.finish().remaining() - 148);
            assertThat(bits).isBetween(entropy * 0.99, entropy * 1.03);
        }
    }

    @Test
    void bytes_flippedOrCut_areRefusedOrDecodeToRowsWithoutAnyOtherFailure() {
        LaneEncoder encoder = new LaneEncoder();
        Property.forAll(
                400,
                random -> {
                    Rows rows = Rows.draw(random);
                    byte[] bytes = rows.base(encoder).array().clone();
                    bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                    int length =
                            random.nextInt(4) == 0 ? random.nextInt(bytes.length) : bytes.length;
                    ByteBuffer damaged = ByteBuffer.wrap(bytes, 0, length);
                    String scalar = outcome(rows, new LaneDecoder(false), damaged);
                    assertThat(outcome(rows, new LaneDecoder(true), damaged)).isEqualTo(scalar);
                });
    }

    @Test
    void segment_withAWordTooFew_isRefused() {
        Rows rows = Rows.draw(new Random(3));
        ByteBuffer bytes = rows.base(new LaneEncoder());
        bytes.putInt(16, bytes.getInt(16) - 1);
        bytes.limit(bytes.limit() - 2);
        assertThatThrownBy(() -> rows.decodeBase(new LaneDecoder(), bytes))
                .isInstanceOf(CorruptChunkException.class)
                .hasMessageContaining("expected");
    }

    private static String outcome(Rows rows, LaneDecoder decoder, ByteBuffer bytes) {
        try {
            return Arrays.deepToString(rows.decodeBase(decoder, bytes.slice()));
        } catch (CorruptChunkException e) {
            return "refused";
        }
    }
}
