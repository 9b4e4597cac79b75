package io.kvtier.storage;

/**
 * Limits of what is said of values after they were put.
 *
 * @param pinnedBytesMax bytes of all values that are pinned
 * @param termsMax keys of which something is said: pins and changed times, about 200 bytes each
 */
public record RetentionOptions(long pinnedBytesMax, int termsMax) {
    /** Keys of a node, about 13 MB. */
    private static final int TERMS_MAX = 1 << 16;

    /** Checks the limits. */
    public RetentionOptions {
        if (pinnedBytesMax < 0 || termsMax < 1) {
            throw new InvalidRequestException(
                    "retention: expected pinnedBytesMax >= 0 and termsMax >= 1, got "
                            + pinnedBytesMax
                            + " and "
                            + termsMax);
        }
    }

    /** So many bytes of pinned values, and the usual count of keys. */
    public static RetentionOptions ofPinnedBytesMax(long pinnedBytesMax) {
        return new RetentionOptions(pinnedBytesMax, TERMS_MAX);
    }
}
