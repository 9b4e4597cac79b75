package io.kvtier.storage;

/**
 * How long a value stays, by what was said of its key after it was put.
 *
 * @param expiryMillis since 1970, in place of its meta's; {@link #UNSAID} = the meta's counts
 * @param pinnedBytes of the value if it is pinned, otherwise 0
 */
record Term(long expiryMillis, long pinnedBytes) {
    /** Nothing was said. */
    static final long UNSAID = 0;

    /** Nothing was said at all. */
    static final Term NONE = new Term(UNSAID, 0);

    boolean isPinned() {
        return pinnedBytes > 0;
    }
}
