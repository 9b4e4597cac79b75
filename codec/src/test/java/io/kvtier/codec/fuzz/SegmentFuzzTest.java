package io.kvtier.codec.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.kvtier.codec.entropy.LaneDecoder;
import io.kvtier.codec.entropy.TokenTables;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.codec.testing.Property;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.Random;
import java.util.zip.CRC32C;
import org.junit.jupiter.api.Test;

/** Whatever the bytes, decoders give rows or a refusal of their own; both paths the same. */
class SegmentFuzzTest {
    private static final int ROWS = 4;
    private static final int TOKENS = 21;
    private static final int STRIDE = TOKENS + 32;
    private static final Geometry GEOMETRY =
            Geometry.uniform(4, 4, 2, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
    private static final ValueLayout.OfInt LE_INT =
            ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    @FuzzTest(maxDuration = "20s")
    void rows(byte[] data) {
        Optional<int[]> scalar = rows(data, new LaneDecoder(false));
        Optional<int[]> vector = rows(data, new LaneDecoder(true));
        assertThat(vector.isPresent()).isEqualTo(scalar.isPresent());
        scalar.ifPresent(rows -> assertThat(vector).hasValueSatisfying(v -> same(v, rows)));
    }

    /** The checksum is set right first: it would turn every mutation away. */
    @FuzzTest(maxDuration = "20s")
    void profile(byte[] data) {
        byte[] bytes = data.clone();
        if (bytes.length >= 4) {
            CRC32C crc = new CRC32C();
            crc.update(bytes, 0, bytes.length - 4);
            MemorySegment all = MemorySegment.ofArray(bytes);
            all.set(LE_INT, bytes.length - 4, (int) crc.getValue());
        }
        try {
            assertThat(ProfileFile.read(bytes, GEOMETRY).groups()).isNotEmpty();
        } catch (KvtierException e) {
            assertThat(e).hasMessageContaining("expected");
        }
    }

    @Test
    void samples_asTheyAre_areRead() throws IOException {
        assertThat(rows(sample("rows"), new LaneDecoder(true))).isPresent();
        assertThat(rows(sample("rows"), new LaneDecoder(false))).isPresent();
        assertThat(ProfileFile.read(sample("profile"), GEOMETRY).groups()).hasSize(8);
    }

    @Test
    void samples_bytesChangedOrCut_areReadOrRefused() throws IOException {
        byte[] segment = sample("rows");
        byte[] file = sample("profile");
        Property.forAll(
                2000,
                random -> {
                    rows(changed(segment, random));
                    profile(changed(file, random));
                });
    }

    private static byte[] changed(byte[] sample, Random random) {
        byte[] out = sample.clone();
        int header = Math.min(150, out.length);
        for (int i = 1 + random.nextInt(3); i > 0; i--) {
            int at = random.nextInt(random.nextBoolean() ? header : out.length);
            out[at] = (byte) random.nextInt(256);
        }
        return random.nextInt(8) == 0 ? Arrays.copyOf(out, random.nextInt(out.length)) : out;
    }

    private static byte[] sample(String target) throws IOException {
        String path = "SegmentFuzzTestInputs/" + target + "/sample-1";
        try (InputStream in = SegmentFuzzTest.class.getResourceAsStream(path)) {
            return Objects.requireNonNull(in, path).readAllBytes();
        }
    }

    /** A base of rows narrow and wide, with classes and a raw token, then its refinement. */
    private static Optional<int[]> rows(byte[] data, LaneDecoder decoder) {
        TokenTables tokens = new TokenTables(TOKENS);
        tokens.reset(TOKENS);
        tokens.setClass(3, -5);
        tokens.setRaw(0);
        int[] out = new int[ROWS * STRIDE];
        try {
            decoder.begin(MemorySegment.ofArray(data));
            for (int row = 0; row < ROWS; row++) {
                decoder.row(8 + 16 * row, tokens, out, row * STRIDE);
            }
            for (int row = 0; row < ROWS; row++) {
                decoder.refine(8 + 16 * row, tokens, out, row * STRIDE);
            }
            decoder.finish();
            return Optional.of(out);
        } catch (CorruptChunkException e) {
            return Optional.empty();
        }
    }

    private static void same(int[] actual, int[] expected) {
        for (int row = 0; row < ROWS; row++) {
            int from = row * STRIDE;
            assertThat(Arrays.copyOfRange(actual, from, from + TOKENS))
                    .isEqualTo(Arrays.copyOfRange(expected, from, from + TOKENS));
        }
    }
}
