package io.kvtier.node.sim;

import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.plan.PlannedChunk;
import java.util.ArrayList;
import java.util.List;

/**
 * Chunks sent one after the other, each whole at one of a few levels, as codecs do that store a
 * file for each level. Every request but the first is on its way in time, so the link never idles.
 */
final class SentLevels {
    /** From the smallest to the best. */
    static final List<Grade> LEVELS = List.of(new Grade(0, 0), new Grade(0, 2), new Grade(1, 2));

    private final StreamCase request;
    private final List<PlannedChunk> chunks;
    private final List<Grade> sent = new ArrayList<>();
    private long now;
    private long bytes;

    SentLevels(StreamCase request) {
        this.request = request;
        this.chunks = request.planned();
        this.now = request.roundTripNanos();
    }

    /** Index of the next chunk. */
    int next() {
        return sent.size();
    }

    boolean isDone() {
        return sent.size() == chunks.size();
    }

    /** When the last chunk has arrived, or the first byte can. */
    long now() {
        return now;
    }

    /** Bytes of a chunk at a level. */
    long bytes(int chunk, int level) {
        return chunks.get(chunk).bytes(LEVELS.get(level));
    }

    /** Sends the next chunk and returns what it took. */
    long send(int level) {
        long before = now;
        long size = bytes(next(), level);
        now = request.trace().whenPassed(now, size);
        bytes += now <= request.deadlineNanos() ? size : 0;
        sent.add(LEVELS.get(level));
        return now - before;
    }

    PolicyScore score(StreamPolicy policy) {
        if (now > request.deadlineNanos()) {
            return request.missed(policy, bytes);
        }
        double distortion = 0;
        for (int i = 0; i < chunks.size(); i++) {
            distortion += chunks.get(i).distortion(sent.get(i));
        }
        return request.met(policy, distortion, bytes);
    }
}
