package io.kvtier.node.sim;

import io.kvtier.node.sim.RandomTrace.Kind;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * Requests that a seed decides: 10 Mbit/s to 1 Gbit/s at best, deadlines of 50 ms to 5 s, round
 * trips of 0.2 to 60 ms, chunks of a small and of a large model, and as many of them as make the
 * deadline a question: their bases are a tenth to 1.3 times of what the link can carry.
 */
final class RandomCase {
    private static final long NANOS_OF_MILLI = 1_000_000;
    private static final int CHUNKS_MIN = 2;
    private static final int CHUNKS_MAX = 1000;

    private RandomCase() {}

    /** The request of a seed. */
    static StreamCase of(long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        Kind kind = Kind.values()[random.nextInt(Kind.values().length)];
        double peak = logarithmic(random, 10, 1000);
        double deadlineMs = logarithmic(random, 50, 5000);
        // A longer one leaves nothing to decide.
        double roundTripMs = Math.min(logarithmic(random, 0.2, 60), deadlineMs / 4);
        String name = kind.name().toLowerCase(Locale.ROOT) + "-" + seed;
        BandwidthTrace trace = RandomTrace.of(kind, name, peak, deadlineMs, random);
        long deadline = (long) (deadlineMs * NANOS_OF_MILLI);
        long roundTrip = (long) (roundTripMs * NANOS_OF_MILLI);
        ChunkShape shape = random.nextBoolean() ? ChunkShape.SMOLLM2 : ChunkShape.LLAMA3_8B;
        double wanted = trace.bytesBetween(roundTrip, deadline) * logarithmic(random, 0.1, 1.3);
        if (wanted < 4.0 * shape.baseBytes()) {
            shape = ChunkShape.SMOLLM2;
        }
        long count = Math.round(wanted / shape.baseBytes());
        // Half of the readers know a rate, which may be an old one.
        boolean known = random.nextBoolean();
        double hint = trace.bytesPerSecond(0) * (0.5 + random.nextDouble());
        return new StreamCase(
                trace,
                deadline,
                roundTrip,
                known ? (long) hint : 0,
                shape.chunks(Math.clamp(count, CHUNKS_MIN, CHUNKS_MAX)));
    }

    private static double logarithmic(SplittableRandom random, double least, double most) {
        return least * Math.pow(most / least, random.nextDouble());
    }
}
