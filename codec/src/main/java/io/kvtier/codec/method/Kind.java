package io.kvtier.codec.method;

/** Which half of a cache. */
public enum Kind {
    KEYS,
    VALUES
}
