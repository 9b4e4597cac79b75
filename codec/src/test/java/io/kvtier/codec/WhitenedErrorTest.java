package io.kvtier.codec;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import io.kvtier.codec.profile.Profile;
import io.kvtier.codec.profile.ProfileFile;
import io.kvtier.codec.profile.ProfileGroup;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;
import org.junit.jupiter.api.Test;

class WhitenedErrorTest {
    private static final int TOKENS = 5;
    private static final Geometry GEOMETRY =
            Geometry.uniform(4, 4, 2, 8, Dtype.F16, Rope.rotateHalf(8, 10_000));
    private static final ValueLayout.OfShort U16 = ValueLayout.JAVA_SHORT_UNALIGNED;

    @Test
    void between_oneValueChanged_isTheSquareOfItsColumn() throws IOException {
        Profile profile = profile();
        KvBlock original = KvBlock.allocate(GEOMETRY, 300, TOKENS);
        KvBlock decoded = KvBlock.allocate(GEOMETRY, 300, TOKENS);
        WhitenedError measure = new WhitenedError(profile);
        assertThat(measure.between(original, decoded)).isZero();
        int layer = 2;
        int head = 1;
        int element = 3;
        int at = ((layer * TOKENS + 4) * 2 + head) * 8 + element;
        decoded.values().set(U16, 2L * at, Float.floatToFloat16(0.5f));
        ProfileGroup group = groupOf(profile, layer, head);
        int headsKeys = group.heads().length * 8;
        int layerAt = Arrays.binarySearch(group.layers(), layer) * 2 * headsKeys;
        int headAt = Arrays.binarySearch(group.heads(), head) * 8;
        int channel = layerAt + headsKeys + headAt + element;
        double expected = 0;
        for (int c = 0; c < group.rank(); c++) {
            double a = group.analysis()[c * group.width() + channel];
            expected += a * a * 0.25;
        }
        assertThat(expected).isPositive();
        assertThat(measure.between(original, decoded)).isCloseTo(expected, within(expected * 1e-5));
    }

    @Test
    void between_otherShape_isRefused() throws IOException {
        WhitenedError measure = new WhitenedError(profile());
        assertThatThrownBy(
                        () ->
                                measure.between(
                                        KvBlock.allocate(GEOMETRY, 0, 5),
                                        KvBlock.allocate(GEOMETRY, 0, 4)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("4 tokens");
        assertThatThrownBy(() -> new WhitenedError(DataFree.of(GEOMETRY)))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("LAYER, JOINT or HEAD");
    }

    private static ProfileGroup groupOf(Profile profile, int layer, int head) {
        return profile.groups().stream()
                .filter(
                        g ->
                                Arrays.stream(g.layers()).anyMatch(l -> l == layer)
                                        && Arrays.stream(g.heads()).anyMatch(h -> h == head))
                .findFirst()
                .orElseThrow();
    }

    private static Profile profile() throws IOException {
        String path = "/io/kvtier/codec/fuzz/SegmentFuzzTestInputs/profile/sample-1";
        try (InputStream in = WhitenedErrorTest.class.getResourceAsStream(path)) {
            return ProfileFile.read(Objects.requireNonNull(in, path).readAllBytes(), GEOMETRY);
        }
    }
}
