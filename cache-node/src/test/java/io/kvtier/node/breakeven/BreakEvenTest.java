package io.kvtier.node.breakeven;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class BreakEvenTest {
    /** A million elements and a second to compute them. */
    private final ServedModel model =
            new ServedModel("m", "cpu", 1000, 1000, 1000, 2, Map.of("known", 4.0));

    @Test
    void of_raw_isItsBytesOverTheTimeOfComputing() {
        BreakEven pair = BreakEven.of(model, WireFormat.RAW, 0);
        assertThat(pair.fetchedBytes()).isEqualTo(2_000_000);
        assertThat(pair.mbit()).isCloseTo(16, within(1e-9));
        assertThat(BreakEven.of(model, WireFormat.RAW, 500).mbit()).isCloseTo(32, within(1e-9));
    }

    @Test
    void of_decoding_leavesTheTimeBehindTheLastChunk() {
        // 400 ms on two cores; the last quarter of it comes behind the last byte.
        BreakEven pair = BreakEven.of(model, new WireFormat("f", 1, 800), 0);
        assertThat(pair.decodeMs()).isCloseTo(400, within(1e-9));
        assertThat(pair.mbit()).isCloseTo(1 / (1 - 0.256 * 0.4), within(1e-9));
    }

    @Test
    void of_decodingSlowerThanComputing_isNever() {
        assertThat(BreakEven.of(model, new WireFormat("f", 1, 2100), 0).mbit()).isInfinite();
        assertThat(BreakEven.of(model, WireFormat.RAW, 1001).mbit()).isInfinite();
    }

    @Test
    void of_bitsMeasuredOnTheModel_count() {
        assertThat(BreakEven.of(model, new WireFormat("known", 1, 0), 0).mbit())
                .isCloseTo(4, within(1e-9));
    }

    @Test
    void draw_everyPair_isInThePicture() {
        List<BreakEven> pairs = new ArrayList<>();
        List<WireFormat> formats = List.of(WireFormat.RAW, new WireFormat("slow", 1, 1e9));
        for (ServedModel each : ServedModel.all()) {
            formats.forEach(format -> pairs.add(BreakEven.of(each, format, 1)));
        }
        assertThat(BreakEvenPicture.draw(pairs)).contains("Gemma", "H100", "never", "Gbit/s");
    }
}
