package io.kvtier.codec.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.testing.Property;
import io.kvtier.codec.testing.Samples;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

class IdentityPropertyTest {
    @Test
    void parse_anyBitFlipped_refusesOrIsAnotherNamespace() {
        for (Namespace namespace : Samples.namespaces().values()) {
            byte[] good = namespace.toBytes();
            for (int bit = 0; bit < 8 * good.length; bit++) {
                byte[] bad = good.clone();
                bad[bit / 8] ^= (byte) (1 << bit % 8);
                try {
                    Namespace other = Namespace.parse(ByteBuffer.wrap(bad));
                    assertThat(other.toBytes()).as("bit %d", bit).isEqualTo(bad);
                    assertThat(other.differences(namespace)).as("bit %d", bit).isNotEmpty();
                } catch (InvalidRequestException e) {
                    assertThat(e).hasMessageContaining("expected");
                }
            }
        }
    }

    @Test
    void parse_cutOrLengthened_refuses() {
        for (Namespace namespace : Samples.namespaces().values()) {
            byte[] good = namespace.toBytes();
            for (int length = 0; length <= good.length + 1; length++) {
                if (length != good.length) {
                    ByteBuffer bad = ByteBuffer.wrap(Arrays.copyOf(good, length));
                    assertThatThrownBy(() -> Namespace.parse(bad))
                            .as("%d bytes", length)
                            .isInstanceOf(InvalidRequestException.class);
                }
            }
        }
    }

    @Test
    void differences_namesTheFieldAndBothValues() {
        Namespace one = Samples.namespace("adaptive, one RoPE");
        Namespace other = one.exact();
        assertThat(one.differences(one)).isEmpty();
        assertThat(one.differences(other)).containsExactly("kind: ADAPTIVE here, EXACT there");
        assertThat(one.digest()).isNotEqualTo(other.digest());
    }

    @Test
    void shapeDigest_ofAnotherDtype_isTheSame() {
        Geometry geometry = Samples.namespace("adaptive, one RoPE").geometry();
        Geometry other = geometry.withDtype(Dtype.BF16);
        assertThat(other.shapeDigest()).isEqualTo(geometry.shapeDigest());
        assertThat(Digest.sha256(other.toBytes())).isNotEqualTo(geometry.shapeDigest());
    }

    @Test
    void keys_ofAPrefix_areThePrefixOfTheKeys() {
        Namespace namespace = Samples.namespace("scaled RoPE, adapter, chunks of 16");
        Property.forAll(
                50,
                random -> {
                    int[] tokens = random.ints(random.nextInt(200), 0, 100_000).toArray();
                    int[] prefix = Arrays.copyOf(tokens, random.nextInt(tokens.length + 1));
                    List<Digest> all = KeyChain.of(namespace, tokens);
                    List<Digest> some = KeyChain.of(namespace, prefix);
                    assertThat(all).hasSize(tokens.length / 16);
                    assertThat(all.subList(0, some.size())).isEqualTo(some);
                    List<Digest> rest = KeyChain.withRest(namespace, tokens);
                    assertThat(rest.subList(0, all.size())).isEqualTo(all);
                    assertThat(rest).hasSize((tokens.length + 15) / 16).doesNotHaveDuplicates();
                });
    }

    @Test
    void keys_afterOneOtherToken_areAllOthers() {
        Namespace namespace = Samples.namespace("scaled RoPE, adapter, chunks of 16");
        int[] tokens = Samples.tokens(64);
        int[] other = tokens.clone();
        other[17]++;
        List<Digest> keys = KeyChain.of(namespace, tokens);
        List<Digest> others = KeyChain.of(namespace, other);
        assertThat(others.getFirst()).isEqualTo(keys.getFirst());
        assertThat(others.subList(1, 4)).doesNotContainAnyElementsOf(keys);
    }

    @Test
    void digest_asTextAndBack_isTheSame() {
        Digest digest = Samples.digest("any");
        assertThat(Digest.parse(digest.toString())).isEqualTo(digest);
        assertThat(Digest.of(digest.toBytes())).isEqualTo(digest);
        assertThat(digest.brief()).hasSize(8).isEqualTo(digest.toString().substring(0, 8));
        assertThatThrownBy(() -> Digest.parse("12")).isInstanceOf(InvalidRequestException.class);
    }

    @Test
    void dtype_everyBf16AndF16_survivesFloat() {
        for (int bits = 0; bits < 1 << 16; bits++) {
            for (Dtype dtype : List.of(Dtype.F16, Dtype.BF16)) {
                float value = dtype.toFloat(bits);
                if (!Float.isNaN(value)) {
                    assertThat(dtype.fromFloat(value)).isEqualTo(bits);
                }
            }
        }
    }
}
