package io.kvtier.codec.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import java.util.Collections;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Published maps of layers, as one kind of record. */
class LayerMapTest {
    /** TinyLlama's 22 layers: plain, CLA, LCKV with two warm-up layers, sandwich-middle, YOCO. */
    private static String published(String name) {
        return switch (name) {
            case "llama" -> joined(0, 22);
            case "cla2" ->
                    IntStream.range(0, 22)
                            .mapToObj(i -> "" + i / 2 * 2)
                            .collect(Collectors.joining("_"));
            case "lckv-w2" -> "0_" + repeated("20", 20) + "_21";
            case "sandwich-middle" -> "0_" + repeated("10", 20) + "_21";
            default -> joined(0, 10).replace("_", "s_") + "s_" + repeated("10", 12);
        };
    }

    @ParameterizedTest
    @CsvSource({"llama, 22", "cla2, 11", "lckv-w2, 3", "sandwich-middle, 3", "yoco, 11"})
    void parse_published_comesBackAndStoresSoManyLayers(String name, int stored) {
        String text = published(name);
        LayerMap map = LayerMap.parse(text);
        assertThat(map).hasToString(text);
        assertThat(map.source()).hasSize(22);
        assertThat(map.stored()).isEqualTo(stored);
        assertThat(geometry(map).storedLayers()).hasSize(stored);
    }

    @Test
    void bytes_ofClaOfTwo_areHalf() {
        long whole = geometry(LayerMap.parse(published("llama"))).elementsPerToken();
        long shared = geometry(LayerMap.parse(published("cla2"))).elementsPerToken();
        assertThat(shared * 2).isEqualTo(whole);
    }

    @Test
    void windows_ofMarkedLayers_areTheirTokens() {
        assertThat(LayerMap.parse("0s_1_1s").windows(512)).containsExactly(512, -1, 512);
    }

    @Test
    void parse_notANumber_isRefusedWithItsPlace() {
        assertThatThrownBy(() -> LayerMap.parse("0_1_x"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("layer 2")
                .hasMessageContaining("x");
    }

    @Test
    void geometry_sourceThatIsNotStored_isRefused() {
        assertThatThrownBy(() -> geometry(LayerMap.parse("0_2_0")))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("kvSource[1]");
    }

    private static Geometry geometry(LayerMap map) {
        Geometry plain =
                Geometry.uniform(
                        map.source().size(), 32, 4, 64, Dtype.BF16, Rope.rotateHalf(64, 10_000));
        return new Geometry(
                plain.queryHeads(),
                plain.kvHeads(),
                plain.keyDim(),
                plain.valueDim(),
                plain.dtype(),
                plain.kind(),
                plain.opaqueBytes(),
                plain.ropes(),
                plain.ropeOf(),
                map.source(),
                map.windows(1024));
    }

    private static String joined(int from, int to) {
        return IntStream.range(from, to)
                .mapToObj(Integer::toString)
                .collect(Collectors.joining("_"));
    }

    private static String repeated(String layer, int times) {
        return String.join("_", Collections.nCopies(times, layer));
    }
}
