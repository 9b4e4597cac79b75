package io.kvtier.codec.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.testing.Frames;
import io.kvtier.codec.testing.Property;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class NamespaceTest {
    private static final Namespace NAMESPACE = Frames.namespace();

    @Test
    void namespace_writtenAndRead_isTheSame() {
        assertThat(Namespace.parse(ByteBuffer.wrap(NAMESPACE.toBytes()))).isEqualTo(NAMESPACE);
        Namespace exact = NAMESPACE.exact();
        assertThat(Namespace.parse(ByteBuffer.wrap(exact.toBytes()))).isEqualTo(exact);
        assertThat(exact.digest()).isNotEqualTo(NAMESPACE.digest());
    }

    @Test
    void namespace_cutOrForged_isRefusedOrReadsToItself() {
        byte[] bytes = NAMESPACE.toBytes();
        for (int length = 0; length < bytes.length; length++) {
            byte[] cut = Arrays.copyOf(bytes, length);
            assertThatThrownBy(() -> Namespace.parse(ByteBuffer.wrap(cut)))
                    .isInstanceOf(InvalidRequestException.class);
        }
        Property.forAll(
                3000,
                random -> {
                    byte[] forged = bytes.clone();
                    forged[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
                    try {
                        Namespace read = Namespace.parse(ByteBuffer.wrap(forged));
                        assertThat(read.toBytes()).isEqualTo(forged);
                    } catch (KvtierException e) {
                        assertThat(e).isInstanceOf(InvalidRequestException.class);
                    }
                });
    }

    @Test
    void differences_nameTheFieldAndBothValues() {
        Namespace other =
                new Namespace(
                        NAMESPACE.kind(),
                        128,
                        NAMESPACE.model(),
                        NAMESPACE.adapter(),
                        NAMESPACE.keyScheme(),
                        NAMESPACE.layout(),
                        NAMESPACE.geometry().withDtype(Dtype.BF16));
        assertThat(NAMESPACE.differences(other))
                .containsExactly("chunkTokens: 256 here, 128 there", "dtype: F16 here, BF16 there");
        assertThat(NAMESPACE.differences(NAMESPACE)).isEmpty();
    }

    @Test
    void keys_dependOnEveryTokenBefore() {
        int[] tokens = IntStream.range(0, 1024).toArray();
        List<Digest> keys = KeyChain.of(NAMESPACE, tokens);
        assertThat(keys).hasSize(4).doesNotHaveDuplicates();
        tokens[300] = 7;
        List<Digest> changed = KeyChain.of(NAMESPACE, tokens);
        assertThat(changed.getFirst()).isEqualTo(keys.getFirst());
        assertThat(changed.subList(1, 4)).doesNotContainAnyElementsOf(keys);
    }

    @Test
    void keys_ofARest_comeOnlyWhenAskedFor() {
        int[] tokens = IntStream.range(0, 600).toArray();
        assertThat(KeyChain.of(NAMESPACE, tokens)).hasSize(2);
        List<Digest> all = KeyChain.withRest(NAMESPACE, tokens);
        assertThat(all)
                .hasSize(3)
                .startsWith(KeyChain.of(NAMESPACE, tokens).toArray(Digest[]::new));
    }

    @Test
    void shapeDigest_ignoresTheDtypeOnly() {
        Geometry f16 = NAMESPACE.geometry();
        assertThat(f16.withDtype(Dtype.F32).shapeDigest()).isEqualTo(f16.shapeDigest());
        Geometry other = Geometry.uniform(4, 4, 2, 8, Dtype.F16, Rope.rotateHalf(8, 20_000));
        assertThat(other.shapeDigest()).isNotEqualTo(f16.shapeDigest());
    }

    @Test
    void bf16_roundsToNearestEven() {
        float half = 0x1p-8f; // of the last bit that bf16 keeps of a number near 1
        assertThat(Dtype.BF16.toFloat(Dtype.BF16.fromFloat(1 + half))).isEqualTo(1);
        assertThat(Dtype.BF16.toFloat(Dtype.BF16.fromFloat(1 + 3 * half))).isEqualTo(1 + 4 * half);
        assertThat(Dtype.BF16.toFloat(Dtype.BF16.fromFloat(Float.NaN))).isNaN();
    }
}
