package io.kvtier.node.tensors;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class CacheGeometryTest {
    private static final Tensor KEYS =
            new Tensor("k", "F16", List.of(3, 0, 1, 16), MemorySegment.NULL);

    @Test
    void oneNumber_holdsForAllLayers() {
        Geometry geometry = CacheGeometry.of(Map.of("q_heads", "2", "rope_theta", "10000.0"), KEYS);
        Rope rope = Rope.rotateHalf(16, 10_000);
        assertThat(geometry).isEqualTo(Geometry.uniform(3, 2, 1, 16, Dtype.F16, rope));
    }

    @Test
    void aNumberForEachLayer_isThatLayers() {
        Geometry geometry =
                CacheGeometry.of(
                        Map.of(
                                "q_heads", "4",
                                "rope_theta", "1000000.0,10000.0, 1000000.0",
                                "window", "-1,512,-1"),
                        KEYS);
        // In ascending order, as calibration writes them: profiles name the digest of this shape.
        assertThat(geometry.ropes()).extracting(Rope::theta).containsExactly(1e4, 1e6);
        assertThat(geometry.ropeOf()).containsExactly(1, 0, 1);
        assertThat(geometry.window()).containsExactly(-1, 512, -1);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '"',
            value = {
                "\"\"      | -1    | 'rope_theta' is '', expected a number",
                "1e4,1e6   | -1    | 'rope_theta' is 2, expected a number, or one for each of 3",
                "1e4,x,1e6 | -1    | 'rope_theta' is '1e4,x,1e6', expected a number",
                "1e4       | 5,5   | 'window' is 2, expected a number, or one for each of 3",
                "1e4       | 0.5   | 'window' is '0.5', expected a number",
                "1e4       | 5,5,0 | window[2] is 0, expected -1 or at least 1",
                "-3        | -1    | theta is -3.0"
            })
    void numbersThatDoNotFit_areRefusedByName(String theta, String window, String reason) {
        Map<String, String> metadata =
                Map.of("q_heads", "2", "rope_theta", theta, "window", window);
        assertThatThrownBy(() -> CacheGeometry.of(metadata, KEYS))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(reason);
    }
}
