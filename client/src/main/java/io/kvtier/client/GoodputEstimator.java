package io.kvtier.client;

import java.util.concurrent.TimeUnit;

/**
 * Estimates what a link really delivers, from the arrival of what was asked for.
 *
 * <p>Idle time between requests does not count, nor does the round trip of the first of them.
 * Thread-safety: all methods.
 */
public final class GoodputEstimator {
    /* Arrivals come in bursts, so a sample spans at least 10 ms of waiting, or what little a fast
     * link needs to deliver 256 KiB. Mean and mean deviation are smoothed as TCP smooths its round
     * trip; the lower bound is the mean less one deviation. A sample below the bound pulls twice
     * as hard: too high an estimate costs a missed deadline, too low a one costs a rung for a
     * moment.
     */
    private static final long SAMPLE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
    private static final long SAMPLE_NANOS_MIN = TimeUnit.MICROSECONDS.toNanos(200);
    private static final long SAMPLE_BYTES = 256 << 10;
    private static final long LAST_SAMPLE_BYTES = 16 << 10;
    private static final long SILENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final double GAIN = 0.25;

    /** A longer sample counts as several: on a slow link one large reply may take a second. */
    private static final long SPAN_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private static final long WINDOW_BYTES_MIN = 64 << 10;
    private static final long WINDOW_NANOS = TimeUnit.MILLISECONDS.toNanos(100);
    private static final long PIPE_NANOS = TimeUnit.MILLISECONDS.toNanos(10);
    private static final double HINT_TRUST = 0.8;

    /** Asked for ahead while nothing at all is known: a fast link must not wait a round trip. */
    private static final long WINDOW_BYTES_COLD = 4 << 20;

    private double mean;
    private double deviation;
    private boolean measured;
    private boolean hinted;
    private long roundTripNanos = Long.MAX_VALUE;
    private int requests;
    private long markNanos;
    private long sampleNanos;
    private long sampleBytes;
    private long largestBytes = LAST_SAMPLE_BYTES;

    /** Starts with a guess. */
    public GoodputEstimator(double coldBytesPerSecond) {
        mean = coldBytesPerSecond;
    }

    /** Takes the node's word as long as nothing was measured. */
    public synchronized void hint(long bytesPerSecond) {
        if (!measured && bytesPerSecond > 0) {
            hinted = true;
            mean = bytesPerSecond * HINT_TRUST;
        }
    }

    /** Takes the time of a small call: the least of them is the round trip. */
    public synchronized void roundTrip(long nanos) {
        roundTripNanos = Math.min(roundTripNanos, Math.max(0, nanos));
    }

    /** A request has left. */
    public synchronized void sent(long nowNanos) {
        if (requests++ == 0) {
            markNanos = nowNanos + roundTripNanos();
        }
    }

    /** Bytes have arrived. */
    public synchronized void arrived(long bytes, long nowNanos) {
        sampleNanos += Math.max(0, nowNanos - markNanos);
        sampleBytes += bytes;
        largestBytes = Math.max(bytes, largestBytes - largestBytes / 16);
        markNanos = Math.max(markNanos, nowNanos);
        boolean enough = sampleNanos >= SAMPLE_NANOS && sampleBytes >= LAST_SAMPLE_BYTES;
        if (enough || (sampleBytes >= SAMPLE_BYTES && sampleNanos >= SAMPLE_NANOS_MIN)) {
            sample();
        }
    }

    /** A request is answered in full, or given up. */
    public synchronized void ended() {
        requests = Math.max(0, requests - 1);
        if (requests == 0) {
            if (sampleBytes >= LAST_SAMPLE_BYTES && sampleNanos >= SAMPLE_NANOS_MIN) {
                sample();
            }
            sampleBytes = 0;
            sampleNanos = 0;
        }
    }

    /** A rate that the link is likely to keep up, by what has arrived. */
    public synchronized double bytesPerSecond() {
        return Math.max(1, Math.max(mean - deviation, mean / 4));
    }

    /** The same now: what is awaited and does not come tells of the link, too. */
    public synchronized double bytesPerSecond(long nowNanos) {
        double bound = bytesPerSecond();
        if (isSilent(nowNanos)) {
            long silence = nowNanos - markNanos;
            // All that came since the last sample, and one message that is about to be here.
            double most = (sampleBytes + largestBytes) * 1e9 / (sampleNanos + silence);
            return Math.max(1, Math.min(bound, most));
        }
        return bound;
    }

    /** The rate to be expected now, for what may come late without harm. */
    public synchronized double expectedBytesPerSecond(long nowNanos) {
        return isSilent(nowNanos) ? bytesPerSecond(nowNanos) : Math.max(1, mean);
    }

    private boolean isSilent(long nowNanos) {
        return requests > 0 && nowNanos - markNanos > SILENCE_NANOS;
    }

    /** From a small request to its answer, 0 when unknown. */
    public synchronized long roundTripNanos() {
        return roundTripNanos == Long.MAX_VALUE ? 0 : roundTripNanos;
    }

    /** How much may be asked for ahead, so that the link is busy and a collapse is felt at once. */
    public synchronized long windowBytes(long nowNanos) {
        double rate = Math.max(bytesPerSecond(nowNanos), isSilent(nowNanos) ? 0 : mean);
        double window = rate * (roundTripNanos() + WINDOW_NANOS) / 1e9;
        boolean cold = !measured && !hinted;
        long least = cold ? WINDOW_BYTES_COLD : WINDOW_BYTES_MIN;
        return Math.max(least, (long) Math.min(window, 1e15));
    }

    /**
     * How much has to be under way so that the link does not idle before more can come: what it
     * carries in a round trip, and the reply that counts only when it is here in whole. A request
     * is for a part at least, so parts that are longer than the window wait for this alone.
     */
    public synchronized long pipeBytes(long nowNanos) {
        double trip = Math.min(1e15, mean * (roundTripNanos() + PIPE_NANOS) / 1e9);
        long reply = measured ? largestBytes : Math.max(largestBytes, SAMPLE_BYTES);
        return isSilent(nowNanos) ? 0 : (long) trip + reply;
    }

    /** What so many samples in a row of one rate come to. */
    private static double gain(double ofOne, double samples) {
        return 1 - Math.pow(1 - ofOne, samples);
    }

    private void sample() {
        double rate = sampleBytes * 1e9 / Math.max(1, sampleNanos);
        double spans = Math.max(1, (double) sampleNanos / SPAN_NANOS);
        sampleBytes = 0;
        sampleNanos = 0;
        if (!measured) {
            measured = true;
            mean = rate;
            deviation = rate / 4;
            return;
        }
        double gain = gain(rate < bytesPerSecond() ? 2 * GAIN : GAIN, spans);
        // Only what falls short makes a lower bound uncertain; a link that speeds up does not.
        deviation += gain(GAIN, spans) * (2 * Math.max(0, mean - rate) - deviation);
        mean += gain * (rate - mean);
        deviation = Math.min(deviation, mean);
    }
}
