package io.kvtier.storage;

/**
 * Limits of a {@link HotTier}.
 *
 * @param bytesMax native memory and index bytes of the values kept. The pool bounds both these and
 *     what is in flight, so leave room between this and its limit
 */
public record HotTierOptions(long bytesMax) {
    /** Checks. */
    public HotTierOptions {
        if (bytesMax < 1) {
            throw new InvalidRequestException(
                    "hot tier: bytesMax is " + bytesMax + ", expected at least 1");
        }
    }
}
