package io.kvtier.storage;

/** What has to be true of a value before its put returns. */
public enum Durability {
    /** Readable now. May vanish with the process, or under memory pressure. */
    MEMORY,
    /** Readable after the process is killed or the machine loses power. May still be evicted. */
    DISK
}
