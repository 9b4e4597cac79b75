package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.frame.DecodeLimits;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.frame.FrameHeader;
import io.kvtier.codec.testing.Samples;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FrameVectorTest {
    @Test
    void headers_haveTheseBytesIdsAndCuts() throws IOException {
        List<Object> cases = new ArrayList<>();
        for (Map.Entry<String, FrameHeader> sample : Samples.headers().entrySet()) {
            FrameHeader header = sample.getValue();
            byte[] frame = Samples.frame(header);
            MemorySegment bytes = MemorySegment.ofArray(frame);
            assertThat(FrameBytes.readHeader(bytes, DecodeLimits.defaults())).isEqualTo(header);
            assertThat(header.frameBytes()).isEqualTo(frame.length);
            cases.add(
                    Json.object(
                            "name",
                            sample.getKey(),
                            "fields",
                            header,
                            "frame",
                            frame,
                            "headerBytes",
                            header.headerBytes(),
                            "encodingId",
                            header.encodingId(),
                            "cuts",
                            header.cuts()));
            Golden.holdSeed("header", "sample-" + cases.size(), header.toBytes());
        }
        Golden.holdJson("frames", Json.object("cases", cases));
    }

    @Test
    void crc32c_ofTheCheckString_isTheStandardsValue() {
        byte[] digits = "123456789".getBytes(StandardCharsets.US_ASCII);
        assertThat(FrameBytes.crc32c(MemorySegment.ofArray(digits))).isEqualTo(0xe3069283);
    }
}
