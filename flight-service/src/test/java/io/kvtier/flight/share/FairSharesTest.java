package io.kvtier.flight.share;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Shares against a water level that is found by halving an interval, on seeded streams. */
class FairSharesTest {
    private static final double LINK = 25e6;

    private static List<Demand> streams(SplittableRandom random) {
        int count = 1 + random.nextInt(12);
        List<Demand> out = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            long need = random.nextInt(4) == 0 ? 0 : random.nextLong(4_000_000);
            long want = need + (random.nextInt(4) == 0 ? 0 : random.nextLong(8_000_000));
            long millis = 20L + random.nextInt(3_000);
            out.add(
                    random.nextInt(8) == 0
                            ? Demand.unknown()
                            : new Demand(need, want, millis * 1_000_000));
        }
        return out;
    }

    private static double clamped(Demand stream, double level) {
        return Math.clamp(level * stream.weight(LINK), stream.floor(), stream.ceiling());
    }

    @Test
    void of_anyStreams_fillsTheLinkAtOneWaterLevel() {
        for (int seed = 0; seed < 2_000; seed++) {
            List<Demand> streams = streams(new SplittableRandom(seed));
            FairShares shares = FairShares.of(LINK, streams);
            double floors = streams.stream().mapToDouble(Demand::floor).sum();
            double ceilings = streams.stream().mapToDouble(Demand::ceiling).sum();
            double low = 0;
            double high = 1e18;
            for (int step = 0; step < 300; step++) {
                double level = (low + high) / 2;
                double sum = streams.stream().mapToDouble(each -> clamped(each, level)).sum();
                low = sum <= LINK ? level : low;
                high = sum <= LINK ? high : level;
            }
            double sum = 0;
            for (int i = 0; i < streams.size(); i++) {
                Demand stream = streams.get(i);
                double rate = shares.bytesPerSecond(i);
                sum += rate;
                double expected =
                        floors >= LINK ? stream.floor() * LINK / floors : clamped(stream, low);
                assertThat(rate).as("seed %d", seed).isCloseTo(expected, within(LINK * 1e-6));
            }
            double full = Math.min(LINK, Math.max(floors, ceilings));
            assertThat(sum).as("seed %d", seed).isCloseTo(full, within(LINK * 1e-6));
        }
    }

    @Test
    void of_moreUrgentStream_hasMoreBeyondItsNeed() {
        Demand soon = new Demand(1_000_000, 100_000_000, 200_000_000);
        Demand late = new Demand(1_000_000, 100_000_000, 2_000_000_000);
        FairShares shares = FairShares.of(LINK, List.of(soon, late));
        assertThat(shares.bytesPerSecond(0) - soon.floor())
                .isGreaterThan(4 * (shares.bytesPerSecond(1) - late.floor()));
    }

    @Test
    void of_equalStreams_haveEqualShares() {
        Demand each = new Demand(500_000, 4_000_000, 400_000_000);
        FairShares shares = FairShares.of(LINK, List.of(each, each, each, each));
        for (int i = 0; i < 4; i++) {
            assertThat(shares.bytesPerSecond(i)).isCloseTo(LINK / 4, within(1.0));
        }
    }

    @Test
    void of_nobody_isNothing() {
        assertThat(FairShares.of(LINK, List.of())).isNotNull();
    }
}
