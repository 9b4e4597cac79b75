package io.kvtier.codec.fuzz;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.kvtier.codec.error.CorruptChunkException;
import io.kvtier.codec.exact.LayerCoder;
import io.kvtier.codec.testing.Property;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;

/** Whatever the bytes, a layer's record gives that many bytes or a refusal; both come back. */
class ExactFuzzTest {
    private static final int RAW_BYTES = 600;

    @FuzzTest(maxDuration = "20s")
    void layer(byte[] data) {
        byte[] raw = new byte[RAW_BYTES];
        LayerCoder coder = new LayerCoder();
        try {
            assertThat(coder.decode(MemorySegment.ofArray(data), 0, raw))
                    .isBetween(12L, (long) data.length);
        } catch (CorruptChunkException e) {
            assertThat(e).hasMessageContaining("expected");
            return;
        }
        assertThat(read(written(coder, raw))).isEqualTo(raw);
    }

    @Test
    void sample_asItIs_isRead() throws IOException {
        byte[] raw = new byte[RAW_BYTES];
        for (int i = 0; i < raw.length; i++) {
            raw[i] = (byte) (i % 4 == 3 ? 60 : 5 * i % 13);
        }
        assertThat(read(sample())).isEqualTo(raw);
    }

    @Test
    void sample_bytesChangedOrCut_isReadOrRefused() throws IOException {
        byte[] sample = sample();
        Property.forAll(
                2000,
                random -> {
                    byte[] changed = sample.clone();
                    for (int i = 1 + random.nextInt(3); i > 0; i--) {
                        int head = random.nextBoolean() ? 30 : changed.length;
                        changed[random.nextInt(head)] = (byte) random.nextInt(256);
                    }
                    boolean cut = random.nextInt(8) == 0;
                    layer(cut ? Arrays.copyOf(changed, random.nextInt(changed.length)) : changed);
                });
    }

    private static byte[] read(byte[] record) {
        byte[] raw = new byte[RAW_BYTES];
        long end = new LayerCoder().decode(MemorySegment.ofArray(record), 0, raw);
        assertThat(end).isEqualTo(record.length);
        return raw;
    }

    private static byte[] written(LayerCoder coder, byte[] raw) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        coder.encode(raw, 4, out);
        return out.toByteArray();
    }

    private static byte[] sample() throws IOException {
        String path = "ExactFuzzTestInputs/layer/sample-1";
        try (InputStream in = ExactFuzzTest.class.getResourceAsStream(path)) {
            return Objects.requireNonNull(in, path).readAllBytes();
        }
    }
}
