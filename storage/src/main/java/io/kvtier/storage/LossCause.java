package io.kvtier.storage;

import java.util.Locale;

/** Why a value that was held is held no more. */
public enum LossCause {
    /** It was in memory alone, and others were worth more. */
    EVICTED_FROM_MEMORY,
    /** The disk's budget was spent, and others had been used later. */
    EVICTED_FROM_DISK,
    /** Its time was over. */
    EXPIRED,
    /** Somebody had it removed. */
    REMOVED,
    /** Its bytes did not match their checksum, and were set aside. */
    DAMAGED;

    /** As it stands in reports: lower case. */
    public String label() {
        return name().toLowerCase(Locale.ROOT);
    }
}
