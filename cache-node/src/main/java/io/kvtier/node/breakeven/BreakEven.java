package io.kvtier.node.breakeven;

/**
 * The slowest link over which fetching beats computing.
 *
 * @param fetchedBytes of the prompt
 * @param computeMs prefill of the prompt
 * @param decodeMs of all of it, on all cores
 * @param mbit Mbit/s, infinite when decoding alone takes longer than computing
 */
public record BreakEven(
        ServedModel model,
        WireFormat format,
        long fetchedBytes,
        double computeMs,
        double decodeMs,
        double mbit) {
    private static final int CHUNK_TOKENS = 256;

    /**
     * Chunks are decoded while others arrive, so fetching takes as long as the slower of the two,
     * and the last chunk's decoding behind the last byte; and a round trip at first.
     */
    public static BreakEven of(ServedModel model, WireFormat measured, double roundTripMs) {
        WireFormat format = model.of(measured);
        double elements = model.elementsPerToken() * model.tokens();
        double bytes = elements * format.bitsPerElement() / 8;
        double computeMs = 1e3 * model.tokens() / model.prefillTokensPerSecond();
        double decodeMs = elements * format.decodeNanosPerElement() / model.cores() / 1e6;
        double last = decodeMs * Math.min(1, (double) CHUNK_TOKENS / model.tokens());
        double left = computeMs - roundTripMs - last;
        boolean never = left <= 0 || decodeMs + roundTripMs > computeMs;
        double mbit = never ? Double.POSITIVE_INFINITY : bytes * 8e-3 / left;
        return new BreakEven(model, format, (long) bytes, computeMs, decodeMs, mbit);
    }
}
