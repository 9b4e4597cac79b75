package io.kvtier.storage.log;

import io.kvtier.storage.ChunkMeta;
import io.kvtier.storage.LossCause;
import io.kvtier.storage.MetaRecord;
import io.kvtier.storage.Retention;
import io.kvtier.storage.StoreKey;
import io.kvtier.storage.log.SlotIndex.Held;
import io.kvtier.storage.log.SlotIndex.Usage;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.LongAdder;
import java.util.concurrent.locks.ReentrantLock;
import java.util.random.RandomGenerator;
import java.util.zip.CRC32C;
import org.jspecify.annotations.Nullable;

/**
 * Gives space back: copies what lives in a segment elsewhere and removes the segment.
 *
 * <p>After Pacman (Wang et al., USENIX ATC 2022): what lives and how large it is stands in memory,
 * so nothing dead is read (4.2); values are found and moved through their slots (4.1); copies go in
 * batches, one sync for each, and then the slots change (4.3); values that die at different times
 * go to segments of their own (4.4): those whose keys are put again and again by their {@link
 * Interval}, the others by whether they were used lately. Which segment: the one with the best
 * ratio of benefit to cost, (1 − u) · age ÷ (1 + u), u being what lives of it (Rosenblum and
 * Ousterhout, The Design and Implementation of a Log-Structured File System, section 3.6).
 *
 * <p>While puts force evictions anyway, values that nobody used lately lose their last part, or are
 * let go when there is nothing to cut, instead of being copied as they are: of a run as many bytes
 * as were evicted since the one before it. Without evictions none.
 *
 * <p>Thread-safety: all methods; one compaction at a time.
 */
final class Compactor {
    private static final int PIECE_BYTES = 256 << 10;
    private static final int VICTIMS_MAX = 8;

    /** A segment that is fuller than this gives back too little for its copying. */
    private static final double UTILIZATION_MAX = 0.95;

    /** Values used less lately than all but this part may be let go. */
    private static final double UNUSED_SHARE = 0.125;

    private final ChunkLog log;
    private final SlotIndex index;
    private final Pace pace;
    private final Rules rules;
    private final Owner owner;
    private final ReentrantLock running = new ReentrantLock();
    private final ReentrantLock moving = new ReentrantLock();
    private final ByteBuffer piece = ByteBuffer.allocateDirect(PIECE_BYTES);
    private final LongAdder movedBytes = new LongAdder();
    private final AtomicLong evictedBytes = new AtomicLong();

    /**
     * How it goes about it.
     *
     * @param goalBytes that one run tries to give back
     * @param plain one value at a time, with a sync of its own, into the segments of new values
     * @param random which values are asked when others were used
     * @param retention which values are not let go, and which need no copy any more
     */
    record Rules(long goalBytes, boolean plain, RandomGenerator random, Retention retention) {}

    /** Whose values are moved. */
    interface Owner {
        /** Of the latest put. */
        long generation();

        /** Told of a value that was not as it should be, and why. */
        void damaged(Held held, String what);

        /** Told of a value that was let go instead of copied. */
        void evicted(StoreKey key);

        /** Told of a value that was copied without its last part. */
        void shrunk();
    }

    /** A copy, of the whole value or without its last part. */
    private record Move(Held from, Location to, boolean isCut) {}

    /** What a run goes by: ticks of the last use, and bytes that it may let go. */
    private static final class Run {
        final long warmSince;
        final long unusedSince;
        long allowedBytes;

        Run(long[] ticks, long allowedBytes) {
            int count = ticks.length;
            this.warmSince = count == 0 ? 0 : ticks[count / 2];
            this.unusedSince = count == 0 ? 0 : ticks[(int) (count * UNUSED_SHARE)];
            this.allowedBytes = allowedBytes;
        }
    }

    Compactor(ChunkLog log, SlotIndex index, Pace pace, Rules rules, Owner owner) {
        this.log = log;
        this.index = index;
        this.pace = pace;
        this.rules = rules;
        this.owner = owner;
    }

    /** Says that a put made a value of so many bytes leave. */
    void countEvicted(long bytes) {
        var _ = evictedBytes.addAndGet(bytes);
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
    boolean run() throws IOException, NoRoomException {
        running.lock();
        try {
            List<Segment> victims = victims();
            if (victims.isEmpty()) {
                return false;
            }
            return evacuate(victims);
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
                boolean _ = evacuate(broken);
            }
        } finally {
            running.unlock();
        }
    }

    /** A segment as it was when it was judged: what lives of it may die meanwhile. */
    private record Judged(Segment segment, long gain, double score) {}

    private List<Segment> victims() {
        List<Segment> victims = new ArrayList<>();
        long gain = 0;
        List<Judged> order =
                log.segments().stream()
                        .filter(Segment::isSettled)
                        .map(this::judge)
                        .filter(each -> each.score() > 0)
                        .sorted(Comparator.comparingDouble(Judged::score).reversed())
                        .toList();
        for (Judged each : order) {
            boolean dead = each.score() == Double.MAX_VALUE;
            if (dead || (gain < rules.goalBytes() && victims.size() < VICTIMS_MAX)) {
                victims.add(each.segment());
                gain += each.gain();
            }
        }
        return victims;
    }

    private Judged judge(Segment segment) {
        long live = segment.liveBytes();
        // Of its records: what start and footer take comes again with every copy.
        double used = (double) live / (segment.writtenBytes() - RecordHead.ALIGN_BYTES);
        double age = log.lastId() - segment.id() + 1.0;
        double score = used < UTILIZATION_MAX ? (1 - used) * age / (1 + used) : 0;
        return new Judged(
                segment, segment.chargedBytes() - live, live == 0 ? Double.MAX_VALUE : score);
    }

    private boolean evacuate(List<Segment> victims) throws IOException, NoRoomException {
        boolean removed = removeEmpty(victims);
        Run run = new Run(index.sampleTicks(rules.random()), evictedBytes.getAndSet(0));
        for (Segment victim : victims) {
            if (victim.liveCount() > 0) {
                boolean full = !copyAll(victim, run);
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
    private boolean copyAll(Segment victim, Run run) throws IOException {
        List<Held> held = index.heldIn(victim);
        int next = 0;
        while (next < held.size()) {
            long bytes = 0;
            boolean full = false;
            moving.lock();
            try {
                List<Move> moves = new ArrayList<>();
                try {
                    long batchBytes = rules.plain() ? 1 : pace.batchBytes();
                    while (next < held.size() && bytes < batchBytes) {
                        Move move = copy(held.get(next), run);
                        if (move != null) {
                            moves.add(move);
                            bytes += move.to().recordBytes();
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
            pace.afterBatch(bytes);
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
                if (durable && index.move(move.from(), move.to(), key -> mayMove(key, move))) {
                    movedBytes.add(move.to().recordBytes());
                    if (move.isCut()) {
                        owner.shrunk();
                    }
                } else if (!durable) {
                    index.kill(move.to());
                }
                var _ = move.to().segment().unpublished().decrementAndGet();
            }
        }
    }

    /**
     * Whoever pins or holds a value after this was asked finds the cut one, and puts a whole one.
     */
    private boolean mayMove(StoreKey key, Move move) {
        return !move.isCut() || !rules.retention().mustStay(key);
    }

    private @Nullable Move copy(Held held, Run run) throws IOException, NoRoomException {
        Location from = held.location();
        if (!from.equals(index.peek(held.key()))) {
            return null; // died since
        }
        RecordHead head = from.segment().readHead(from.offset(), from.recordBytes()).orElse(null);
        MetaRecord record = head == null ? null : Recovery.metaRecord(head).orElse(null);
        if (head == null || record == null || record.generation() != from.generation()) {
            owner.damaged(held, "head");
            return null;
        }
        if (rules.retention().isOver(held.key(), record.meta())) {
            if (index.remove(held.key(), from)) {
                rules.retention().lost(held.key(), LossCause.EXPIRED);
            }
            return null;
        }
        CopyShape shape = CopyShape.of(held.key(), record.meta(), from.generation());
        boolean isCut = false;
        if (run.allowedBytes > 0
                && !rules.retention().mustStay(held.key())
                && index.usage(held, owner.generation()).tick() < run.unusedSince) {
            CopyShape cut = withoutLastPart(held, record, run);
            if (cut != null) {
                isCut = true;
                shape = cut;
            } else if (from.recordBytes() <= run.allowedBytes
                    && index.removeUnused(held, run.unusedSince)) {
                run.allowedBytes -= from.recordBytes();
                owner.evicted(held.key());
                return null;
            }
        }
        CopyShape chosen = shape;
        Location to =
                streamFor(held, run)
                        .copy(
                                chosen,
                                (target, position) ->
                                        copyBody(from, head, record, chosen, target, position));
        if (to == null) {
            owner.damaged(held, "value");
            return null;
        }
        return new Move(held, to, isCut);
    }

    /** What is left of a value that has parts to lose, if that is paid for; null if not. */
    private @Nullable CopyShape withoutLastPart(Held held, MetaRecord record, Run run) {
        ChunkMeta meta = record.meta();
        if (rules.plain() || meta.cutCount() < 2) {
            return null;
        }
        ChunkMeta rest = meta.cutAt(meta.cutCount() - 2);
        CopyShape cut = CopyShape.of(held.key(), rest, record.generation());
        long freed = held.location().recordBytes() - cut.recordBytes();
        if (freed <= 0 || freed > run.allowedBytes) {
            return null;
        }
        run.allowedBytes -= freed;
        return cut;
    }

    private LogStream streamFor(Held held, Run run) {
        if (rules.plain()) {
            return log.fresh();
        }
        Usage usage = index.usage(held, owner.generation());
        return log.streamOfCopy(usage.interval(), usage.tick() > run.warmSince);
    }

    /** Reads all of the value, writes what is kept; null if it is not what was put. */
    private @Nullable ByteBuffer copyBody(
            Location from,
            RecordHead head,
            MetaRecord record,
            CopyShape shape,
            SegmentFile target,
            long position)
            throws IOException {
        CRC32C crc = MetaRecord.startValueCrc(head.key(), record.generation());
        long start = (long) from.offset() + head.headBytes();
        long kept = shape.bodyBytes();
        int keptCrc = 0;
        long done = 0;
        while (done < head.bodyBytes()) {
            long end = done < kept ? kept : head.bodyBytes();
            int count = (int) Math.min(PIECE_BYTES, end - done);
            pace.yieldToReads(count);
            piece.clear().limit(count);
            try {
                from.segment().file().read(start + done, piece);
            } catch (IOException e) {
                return null; // of the source: the target is not to be blamed
            }
            crc.update(piece.flip());
            if (done < kept) {
                target.write(position + done, piece.rewind());
            }
            done += count;
            if (done == kept) {
                keptCrc = (int) crc.getValue();
            }
        }
        return (int) crc.getValue() == record.valueCrc() ? shape.payload(keptCrc) : null;
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
