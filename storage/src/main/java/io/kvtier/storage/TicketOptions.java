package io.kvtier.storage;

import java.time.Duration;

/**
 * Limits of what a {@link TicketedChunkStore} protects between lookup and read.
 *
 * @param bytesPerClientMax of one client; what its lookup found beyond that is not protected
 * @param bytesMax of all clients
 * @param lifetime of a ticket that nobody uses, 5 s at most
 */
public record TicketOptions(long bytesPerClientMax, long bytesMax, Duration lifetime) {
    private static final Duration LIFETIME_MAX = Duration.ofSeconds(5);

    /** Checks ranges. */
    public TicketOptions {
        if (bytesPerClientMax < 0
                || bytesMax < 0
                || !lifetime.isPositive()
                || lifetime.compareTo(LIFETIME_MAX) > 0) {
            throw new InvalidRequestException(
                    "tickets: expected bytes of at least 0 and a lifetime of up to "
                            + LIFETIME_MAX
                            + ", got bytesPerClientMax="
                            + bytesPerClientMax
                            + " bytesMax="
                            + bytesMax
                            + " lifetime="
                            + lifetime);
        }
    }

    /** Five seconds, and a quarter of what all may protect for each client. */
    public static TicketOptions ofBytesMax(long bytesMax) {
        return new TicketOptions(bytesMax / 4, bytesMax, LIFETIME_MAX);
    }
}
