package io.kvtier.codec.wire;

import io.kvtier.codec.error.InvalidRequestException;

/** How durable a put is before it is acknowledged; the ordinal is its byte on the wire. */
public enum Persistence {
    /** Held in memory: a restart may lose it. */
    MEMORY,
    /** Synced to the medium: readable after a crash of the node. */
    DISK;

    static Persistence of(int code) {
        InvalidRequestException.check(
                code == 0 || code == 1, "durability", code, "0 (memory) or 1 (disk)");
        return values()[code];
    }
}
