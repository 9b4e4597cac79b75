package io.kvtier.storage;

/**
 * Limits of a {@link HotTier}.
 *
 * @param bytesMax native memory and index bytes of the values kept. The pool bounds both these and
 *     what is in flight, so leave room between this and its limit
 * @param historyEntries values given up whose uses are remembered, {@value
 *     ReuseHistory#ENTRY_BYTES} bytes each; with 0 nothing is learned, and the least recently used
 *     value goes first
 */
public record HotTierOptions(long bytesMax, int historyEntries) {
    /** Remembers what a busy node gives up in about an hour: 1.5 MiB. */
    public static final int HISTORY_ENTRIES = 1 << 16;

    /** Checks. */
    public HotTierOptions {
        check(bytesMax >= 1, "bytesMax", bytesMax, "at least 1");
        check(
                historyEntries >= 0 && historyEntries <= 1 << 26,
                "historyEntries",
                historyEntries,
                "0.." + (1 << 26));
    }

    /** A budget, and a history of {@value #HISTORY_ENTRIES} entries. */
    public static HotTierOptions ofBytesMax(long bytesMax) {
        return new HotTierOptions(bytesMax, HISTORY_ENTRIES);
    }

    private static void check(boolean holds, String name, long actual, String expected) {
        if (!holds) {
            throw new InvalidRequestException(
                    "hot tier: " + name + " is " + actual + ", expected " + expected);
        }
    }
}
