package io.kvtier.codec.plan;

import io.kvtier.codec.frame.Part;
import io.kvtier.codec.wire.ChunkDirectory;

/**
 * Some of a frame's parts.
 *
 * @param bits bit p = part p
 */
public record PartSet(int bits) {
    /** No part. */
    public static final PartSet NONE = new PartSet(0);

    /** Whether part {@code index} is in the set. */
    public boolean has(int index) {
        return (bits >> index & 1) != 0;
    }

    /** The set with parts {@code from .. to - 1}, too. */
    public PartSet with(int from, int to) {
        return new PartSet(bits | ((1 << to) - (1 << from)));
    }

    /** The set without parts {@code from .. to - 1}. */
    public PartSet without(int from, int to) {
        return new PartSet(bits & ~((1 << to) - (1 << from)));
    }

    /** The best grade that decodes from these parts alone. */
    public Grade grade(ChunkDirectory directory) {
        int head = -1;
        int tail = -1;
        for (int i = 0; i < directory.parts().size(); i++) {
            Part part = directory.parts().get(i).part();
            if (!has(i)) {
                continue;
            }
            int rung = part.rung();
            head = part.span().coversHead() && rung == head + 1 ? rung : head;
            tail = part.span().coversTail() && rung == tail + 1 ? rung : tail;
        }
        tail = directory.tailTokens() == 0 ? head : tail;
        return new Grade(Math.min(head, tail), tail);
    }
}
