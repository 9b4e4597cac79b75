package io.kvtier.storage.log;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Real files on a disk that fails: it loses power at a chosen operation, and then any part of what
 * was not synced is lost or torn, sector by sector; it fails syncs, fills up, and flips bits.
 *
 * <p>After the power is gone every operation throws; {@link #leaveWreck} makes the files what a
 * restart would find.
 */
final class FaultyMedium implements Medium {
    private static final int SECTOR_BYTES = 512;

    private final SplittableRandom random;
    private final Medium files = new FileMedium();
    private final Map<Path, FaultyFile> open = new HashMap<>();
    private final List<Path> unsyncedDeletes = new ArrayList<>();
    private final List<Path> unsyncedCreates = new ArrayList<>();

    /** Operations until the power goes, if that is not negative. */
    long operationsLeft = -1;

    /** Bytes until the disk is full. */
    long bytesLeft = Long.MAX_VALUE;

    /** Syncs until one fails, if that is not negative. */
    long syncsLeft = -1;

    /** Payload bytes that were read, by file. */
    final Map<Path, Long> readBytes = new HashMap<>();

    private boolean dead;

    /** What a write replaced, so that it can be undone. */
    @SuppressWarnings("ArrayRecordComponent") // never leaves this class
    private record Undo(long position, byte[] before, int bytes) {}

    FaultyMedium(long seed) {
        random = new SplittableRandom(seed);
    }

    @Override
    public String name() {
        return "faulty";
    }

    @Override
    public synchronized SegmentFile create(Path file, long bytes) throws IOException {
        step();
        requireSpace(1);
        unsyncedCreates.add(file);
        return wrap(file, files.create(file, bytes));
    }

    @Override
    public synchronized SegmentFile open(Path file) throws IOException {
        step();
        return wrap(file, files.open(file));
    }

    /** The file stays under another name until the folder is synced: it may come back. */
    @Override
    public synchronized void delete(Path file) throws IOException {
        step();
        Path grave = grave(file);
        Files.move(file, grave);
        unsyncedDeletes.add(file);
        bytesLeft += bytesLeft == Long.MAX_VALUE ? 0 : Files.size(grave);
    }

    @Override
    public synchronized void syncFolder(Path folder) throws IOException {
        step();
        for (Path file : unsyncedDeletes) {
            Files.delete(grave(file));
            open.remove(file);
        }
        unsyncedDeletes.clear();
        unsyncedCreates.clear();
    }

    /** Turns the power off now, if it is still on. */
    synchronized void cut() {
        dead = true;
    }

    synchronized boolean isDead() {
        return dead;
    }

    /** Makes of the files what the loss of power left of them. */
    synchronized void leaveWreck() throws IOException {
        for (Path file : unsyncedDeletes) {
            if (random.nextBoolean()) {
                Files.move(grave(file), file);
            } else {
                Files.delete(grave(file));
                open.remove(file);
            }
        }
        for (FaultyFile each : open.values()) {
            each.wreck();
        }
        for (Path file : unsyncedCreates) {
            if (random.nextBoolean()) {
                boolean _ = Files.deleteIfExists(file);
            }
        }
    }

    private FaultyFile wrap(Path path, SegmentFile file) {
        FaultyFile wrapped = new FaultyFile(path, file);
        open.put(path, wrapped);
        return wrapped;
    }

    private static Path grave(Path file) {
        return file.resolveSibling("deleted-" + file.getFileName());
    }

    private void step() throws IOException {
        if (dead || operationsLeft == 0) {
            dead = true;
            throw new IOException("the power is gone");
        }
        operationsLeft -= operationsLeft > 0 ? 1 : 0;
    }

    private void requireSpace(long bytes) throws IOException {
        if (bytes > bytesLeft) {
            throw new IOException("No space left on device");
        }
    }

    private final class FaultyFile implements SegmentFile {
        private final Path path;
        private final SegmentFile file;
        private final List<Undo> unsynced = new ArrayList<>();

        FaultyFile(Path path, SegmentFile file) {
            this.path = path;
            this.file = file;
        }

        @Override
        public void write(long position, ByteBuffer... sources) throws IOException {
            synchronized (FaultyMedium.this) {
                long at = position;
                for (ByteBuffer source : sources) {
                    at += writeOne(at, source);
                }
            }
        }

        private long writeOne(long position, ByteBuffer source) throws IOException {
            int bytes = source.remaining();
            int fitting = (int) Math.min(bytes, bytesLeft);
            boolean torn = operationsLeft == 0 && !dead;
            if (torn) {
                fitting = random.nextInt(fitting + 1);
            } else {
                step();
            }
            if (fitting > 0) {
                unsynced.add(new Undo(position, before(position, fitting), fitting));
                file.write(position, source.duplicate().limit(source.position() + fitting));
                bytesLeft -= bytesLeft == Long.MAX_VALUE ? 0 : fitting;
            }
            source.position(source.limit());
            if (torn) {
                step();
            }
            if (fitting < bytes) {
                requireSpace(Long.MAX_VALUE);
            }
            return bytes;
        }

        private byte[] before(long position, int bytes) throws IOException {
            long there = Math.clamp(file.size() - position, 0, bytes);
            ByteBuffer before = ByteBuffer.allocate((int) there);
            file.read(position, before);
            return before.array();
        }

        @Override
        public void read(long position, ByteBuffer target) throws IOException {
            synchronized (FaultyMedium.this) {
                step();
                readBytes.merge(path, (long) target.remaining(), Long::sum);
            }
            file.read(position, target);
        }

        @Override
        public void force(long start, long end) throws IOException {
            synchronized (FaultyMedium.this) {
                step();
                if (syncsLeft == 0) {
                    syncsLeft = -1;
                    // As Linux does: the pages are clean now, and were not written.
                    wreck();
                    throw new IOException("Input/output error");
                }
                syncsLeft -= syncsLeft > 0 ? 1 : 0;
                unsynced.clear();
            }
        }

        @Override
        public long size() throws IOException {
            return file.size();
        }

        @Override
        public void truncate(long bytes) throws IOException {
            synchronized (FaultyMedium.this) {
                step();
                file.truncate(bytes);
            }
        }

        @Override
        public void close() throws IOException {
            file.close();
        }

        /** Undoes sectors of unsynced writes at random, from the last write to the first. */
        private void wreck() throws IOException {
            if (!Files.exists(path)) {
                return;
            }
            long keep = random.nextInt(3); // 0: nothing, 1: all, 2: any
            try (SegmentFile wreck = files.open(path)) {
                for (Undo undo : unsynced.reversed()) {
                    for (int from = 0; from < undo.bytes(); from += SECTOR_BYTES) {
                        if (keep == 0 || (keep == 2 && random.nextBoolean())) {
                            undo(wreck, undo, from);
                        }
                    }
                }
                if (keep == 0 && !unsynced.isEmpty()) {
                    Undo first = unsynced.getFirst();
                    long size = first.position() + first.before().length;
                    if (size < wreck.size() && first.before().length < first.bytes()) {
                        wreck.truncate(size);
                    }
                }
            }
            unsynced.clear();
        }

        /** Back to what was there; where nothing was, zeros or noise. */
        private void undo(SegmentFile wreck, Undo undo, int from) throws IOException {
            byte[] sector = new byte[Math.min(SECTOR_BYTES, undo.bytes() - from)];
            if (random.nextInt(4) == 0) {
                random.nextBytes(sector);
            }
            int known = Math.clamp((long) undo.before().length - from, 0, sector.length);
            System.arraycopy(undo.before(), Math.min(from, undo.before().length), sector, 0, known);
            wreck.write(undo.position() + from, ByteBuffer.wrap(sector));
        }
    }
}
