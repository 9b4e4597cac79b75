package io.kvtier.node.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.node.sim.BandwidthTrace.Step;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BandwidthTraceTest {
    private static final long MILLI = 1_000_000;

    @TempDir Path folder;

    @Test
    void bytesBetween_acrossASilence_countsWhatTheLinkCarries() {
        BandwidthTrace trace =
                new BandwidthTrace(
                        "t", List.of(new Step(0, 8), new Step(100, 0), new Step(200, 80)));
        assertThat(trace.bytesPerSecond(50 * MILLI)).isCloseTo(1e6, within(1e-6));
        assertThat(trace.bytesBetween(0, 100 * MILLI)).isCloseTo(100_000, within(1e-3));
        assertThat(trace.bytesBetween(50 * MILLI, 210 * MILLI)).isCloseTo(150_000, within(1e-3));
        assertThat(trace.whenPassed(0, 50_000)).isEqualTo(50 * MILLI);
        assertThat(trace.whenPassed(0, 200_000)).isEqualTo(210 * MILLI);
        assertThat(trace.whenPassed(150 * MILLI, 0)).isEqualTo(150 * MILLI);
        assertThat(trace.whenPassed(150 * MILLI, 10_000)).isEqualTo(201 * MILLI);
    }

    @Test
    void whenPassed_anyTrace_isTheFirstMomentAtWhichTheBytesAreThere() {
        for (long seed = 1; seed <= 50; seed++) {
            SplittableRandom random = new SplittableRandom(seed);
            RandomTrace.Kind kind = RandomTrace.Kind.values()[(int) (seed % 5)];
            BandwidthTrace trace = RandomTrace.of(kind, "t", 200, 1000, random);
            long start = random.nextLong(1200 * MILLI);
            long bytes = random.nextInt(30_000_000);
            long end = trace.whenPassed(start, bytes);
            assertThat(trace.bytesBetween(start, end))
                    .as("seed %d", seed)
                    .isCloseTo((double) bytes, within(1.0));
        }
    }

    @Test
    void read_csv_skipsItsHeading() throws IOException {
        Path file = Files.writeString(folder.resolve("link.csv"), "ms,mbit\n0,8\n\n100, 16\n");
        BandwidthTrace trace = BandwidthTrace.read(file);
        assertThat(trace.name()).isEqualTo("link.csv");
        assertThat(trace.bytesPerSecond(150 * MILLI)).isCloseTo(2e6, within(1e-6));
    }

    @Test
    void read_whatIsNoTrace_saysWhichLine() throws IOException {
        Path words = Files.writeString(folder.resolve("words.csv"), "0,8\n10;5\n");
        assertThatThrownBy(() -> BandwidthTrace.read(words))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("line 2")
                .hasMessageContaining("ms,mbit");
        for (String text :
                List.of("", "0,-1\n", "0,8\n0,9\n", "5,1\n3,1\n", "0,8\n9,0\n", "0,NaN")) {
            Path file = Files.writeString(folder.resolve("bad.csv"), text);
            assertThatThrownBy(() -> BandwidthTrace.read(file))
                    .as(text)
                    .isInstanceOf(InvalidRequestException.class);
        }
    }
}
