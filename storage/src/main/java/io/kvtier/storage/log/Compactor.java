package io.kvtier.storage.log;

import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.log.SlotIndex.Held;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.BiConsumer;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Gives space back: copies what lives in a segment elsewhere and removes the segment.
 *
 * <p>After Pacman (Wang et al., USENIX ATC 2022): what lives and how large it is stands in memory,
 * so nothing dead is read (4.2); values are found and moved through their slots (4.1); copies go in
 * batches, one sync for each, and then the slots change (4.3); values used lately and values about
 * to be evicted go to segments of their own (4.4). Which segment: the one with the best ratio of
 * benefit to cost, (1 − u) · age ÷ (1 + u), u being what lives of it (Rosenblum and Ousterhout, The
 * Design and Implementation of a Log-Structured File System, section 3.6).
 *
 * <p>Thread-safety: all methods; one compaction at a time.
 */
final class Compactor {
    private static final int PIECE_BYTES = 1 << 20;
    private static final int VICTIMS_MAX = 8;

    /** A segment that is fuller than this gives back too little for its copying. */
    private static final double UTILIZATION_MAX = 0.95;

    private final ChunkLog log;
    private final SlotIndex index;
    private final long batchBytes;
    private final long goalBytes;
    private final boolean separates;
    private final BiConsumer<Held, String> onDamage;
    private final ReentrantLock running = new ReentrantLock();
    private final ReentrantLock moving = new ReentrantLock();
    private final ByteBuffer piece = ByteBuffer.allocateDirect(PIECE_BYTES);
    private final LongAdder movedBytes = new LongAdder();

    /** Waits between batches, if it sees fit; gets the bytes that were just copied. */
    interface Throttle {
        void pause(long bytes);
    }

    private record Move(Held from, Location to) {}

    /**
     * @param batchBytes copied between two syncs
     * @param goalBytes that one run tries to give back
     * @param separates whether copies go to segments of their own, warm and cold apart
     * @param onDamage told of a value that was not as it should be, and why
     */
    Compactor(
            ChunkLog log,
            SlotIndex index,
            long batchBytes,
            long goalBytes,
            boolean separates,
            BiConsumer<Held, String> onDamage) {
        this.log = log;
        this.index = index;
        this.batchBytes = batchBytes;
        this.goalBytes = goalBytes;
        this.separates = separates;
        this.onDamage = onDamage;
    }

    /** Held by whoever must not see a value in two places: one batch long. */
    ReentrantLock moving() {
        return moving;
    }

    /** Bytes of all records copied so far. */
    long movedBytes() {
        return movedBytes.sum();
    }

    /**
     * Gives back some segments.
     *
     * @return whether there was anything worth it
     */
    boolean run(Throttle throttle) throws IOException, NoRoomException {
        running.lock();
        try {
            List<Segment> victims = victims();
            if (victims.isEmpty()) {
                return false;
            }
            return evacuate(victims, throttle);
        } finally {
            running.unlock();
        }
    }

    /** Copies what can still be read of segments that could not be written or synced. */
    void rescue() throws IOException, NoRoomException {
        running.lock();
        try {
            List<Segment> broken =
                    log.segments().stream()
                            .filter(each -> each.isBroken() && each.unpublished().get() == 0)
                            .toList();
            if (!broken.isEmpty()) {
                boolean _ = evacuate(broken, bytes -> {});
            }
        } finally {
            running.unlock();
        }
    }

    private List<Segment> victims() {
        List<Segment> order =
                log.segments().stream()
                        .filter(each -> each.isSettled() && utilization(each) < UTILIZATION_MAX)
                        .sorted(Comparator.comparingDouble(this::score).reversed())
                        .toList();
        List<Segment> victims = new ArrayList<>();
        long gain = 0;
        for (Segment segment : order) {
            boolean dead = segment.liveBytes() == 0;
            if (dead || (gain < goalBytes && victims.size() < VICTIMS_MAX)) {
                victims.add(segment);
                gain += segment.chargedBytes() - segment.liveBytes();
            }
        }
        return victims;
    }

    private static double utilization(Segment segment) {
        return (double) segment.liveBytes() / segment.chargedBytes();
    }

    private double score(Segment segment) {
        double used = utilization(segment);
        double age = log.lastId() - segment.id() + 1.0;
        return used == 0 ? Double.MAX_VALUE : (1 - used) * age / (1 + used);
    }

    private boolean evacuate(List<Segment> victims, Throttle throttle)
            throws IOException, NoRoomException {
        boolean removed = removeEmpty(victims);
        for (Segment victim : victims) {
            if (victim.liveCount() > 0) {
                boolean full = !copyAll(victim, throttle);
                removed |= removeEmpty(List.of(victim));
                if (full) {
                    break;
                }
            }
        }
        return removed;
    }

    private boolean removeEmpty(List<Segment> victims) throws IOException, NoRoomException {
        moving.lock();
        try {
            List<Segment> empty = victims.stream().filter(each -> each.liveCount() == 0).toList();
            if (!empty.isEmpty()) {
                remove(empty);
            }
            return !empty.isEmpty();
        } finally {
            moving.unlock();
        }
    }

    /** Copies batch by batch; false if there was no room for all of it. */
    private boolean copyAll(Segment victim, Throttle throttle) throws IOException {
        List<Held> held = index.heldIn(victim);
        int next = 0;
        while (next < held.size()) {
            long bytes = 0;
            boolean full = false;
            moving.lock();
            try {
                List<Move> moves = new ArrayList<>();
                try {
                    while (next < held.size() && bytes < batchBytes) {
                        Location to = copy(held.get(next));
                        if (to != null) {
                            moves.add(new Move(held.get(next), to));
                            bytes += to.recordBytes();
                        }
                        next++;
                    }
                } catch (NoRoomException e) {
                    full = true;
                } finally {
                    commit(moves);
                }
            } finally {
                moving.unlock();
            }
            if (full) {
                return false;
            }
            throttle.pause(bytes);
        }
        return true;
    }

    /** The barrier, then the slots; without the barrier the copies die. */
    private void commit(List<Move> moves) throws IOException {
        if (moves.isEmpty()) {
            return;
        }
        boolean durable = false;
        try {
            for (Move move : moves) {
                move.to().segment().sync(move.to().end());
            }
            durable = true;
        } finally {
            for (Move move : moves) {
                if (durable && index.move(move.from(), move.to())) {
                    movedBytes.add(move.to().recordBytes());
                } else if (!durable) {
                    index.kill(move.to());
                }
                var _ = move.to().segment().unpublished().decrementAndGet();
            }
        }
    }

    private @Nullable Location copy(Held held) throws IOException, NoRoomException {
        Location from = held.location();
        if (!from.equals(index.peek(held.key()))) {
            return null; // died since
        }
        RecordHead head = from.segment().readHead(from.offset(), from.recordBytes()).orElse(null);
        MetaRecord record = head == null ? null : Recovery.metaRecord(head).orElse(null);
        if (head == null || record == null || record.generation() != from.generation()) {
            onDamage.accept(held, "head");
            return null;
        }
        LogStream stream = streamFor(held);
        Location to =
                stream.copy(
                        from,
                        head,
                        (target, position) -> copyBody(from, head, record, target, position));
        if (to == null) {
            onDamage.accept(held, "value");
        }
        return to;
    }

    private LogStream streamFor(Held held) {
        if (!separates) {
            return log.fresh();
        }
        return index.isWarm(held) ? log.warm() : log.cold();
    }

    private boolean copyBody(
            Location from, RecordHead head, MetaRecord record, SegmentFile target, long position)
            throws IOException {
        CRC32C crc = MetaRecord.startValueCrc(head.key(), record.generation());
        long start = (long) from.offset() + head.headBytes();
        long done = 0;
        while (done < head.bodyBytes()) {
            piece.clear().limit((int) Math.min(PIECE_BYTES, head.bodyBytes() - done));
            try {
                from.segment().file().read(start + done, piece);
            } catch (IOException e) {
                return false; // of the source: the target is not to be blamed
            }
            crc.update(piece.flip());
            target.write(position + done, piece.rewind());
            done += piece.limit();
        }
        return (int) crc.getValue() == record.valueCrc();
    }

    private void remove(List<Segment> empty) throws IOException, NoRoomException {
        for (Segment segment : empty) {
            keepDeaths(segment);
        }
        log.flushDeaths();
        log.remove(empty);
    }

    /** Deaths that a doomed segment names have to be named elsewhere before it goes. */
    private void keepDeaths(Segment segment) throws IOException {
        for (RecordHead head : segment.readDeaths()) {
            ChunkLog.places(head).forEach(index::killAgain);
        }
    }
}
