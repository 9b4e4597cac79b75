package io.kvtier.storage.log;

import java.io.EOFException;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import jdk.nio.mapmode.ExtendedMapMode;

/**
 * Files mapped into memory: on persistent memory (fs-DAX) a write is a copy and durability a write
 * back of cache lines, without a system call.
 *
 * <p>Space is filled with zeros when a file is made: a mapped page for which the disk has no block
 * would kill the process when it is touched.
 */
final class MappedMedium implements Medium {
    private static final int ZEROS_BYTES = 1 << 20;

    private final MapMode mode;
    private final Medium names = new FileMedium();

    /** Maps in this mode: {@link ExtendedMapMode#READ_WRITE_SYNC} but in tests. */
    MappedMedium(MapMode mode) {
        this.mode = mode;
    }

    /** Whether files in a folder can be mapped so that write back of cache lines is enough. */
    static boolean isPersistentMemory(Path folder) throws IOException {
        Path probe = Files.createTempFile(folder, "probe", "");
        try (FileChannel channel =
                        FileChannel.open(probe, StandardOpenOption.READ, StandardOpenOption.WRITE);
                Arena arena = Arena.ofConfined()) {
            int _ = channel.write(ByteBuffer.allocate(4096), 0);
            return channel.map(ExtendedMapMode.READ_WRITE_SYNC, 0, 4096, arena).isMapped();
        } catch (UnsupportedOperationException | IOException e) {
            return false; // how the system says that this file system has no such mapping
        } finally {
            Files.delete(probe);
        }
    }

    @Override
    public String name() {
        return mode.equals(ExtendedMapMode.READ_WRITE_SYNC) ? "persistent memory" : "mapped";
    }

    @Override
    public SegmentFile create(Path file, long bytes) throws IOException {
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE).close();
        MappedFile made = new MappedFile(file, mode);
        try {
            made.grow(bytes);
            return made;
        } catch (IOException e) {
            made.close();
            throw e;
        }
    }

    @Override
    public SegmentFile open(Path file) throws IOException {
        return new MappedFile(file, mode);
    }

    @Override
    public void delete(Path file) throws IOException {
        names.delete(file);
    }

    @Override
    public void syncFolder(Path folder) throws IOException {
        names.syncFolder(folder);
    }

    /** One mapping over the whole file, made anew when the length changes: at start, at a seal. */
    private static final class MappedFile implements SegmentFile {
        private final Path file;
        private final MapMode mode;
        private final Arena arena = Arena.ofShared();
        private volatile MemorySegment memory;

        MappedFile(Path file, MapMode mode) throws IOException {
            this.file = file;
            this.mode = mode;
            try (FileChannel channel = openChannel()) {
                this.memory = map(channel);
            }
        }

        void grow(long bytes) throws IOException {
            try (FileChannel channel = openChannel()) {
                ByteBuffer zeros = ByteBuffer.allocateDirect(ZEROS_BYTES);
                long at = channel.size();
                while (at < bytes) {
                    zeros.clear().limit((int) Math.min(ZEROS_BYTES, bytes - at));
                    at += channel.write(zeros, at);
                }
                channel.force(true);
                memory = map(channel);
            }
        }

        @Override
        public void write(long position, ByteBuffer... sources) throws IOException {
            long end = position;
            for (ByteBuffer source : sources) {
                end += source.remaining();
            }
            if (end > memory.byteSize()) {
                grow(end);
            }
            MemorySegment target = memory;
            long at = position;
            for (ByteBuffer source : sources) {
                MemorySegment bytes = MemorySegment.ofBuffer(source);
                MemorySegment.copy(bytes, 0, target, at, bytes.byteSize());
                at += bytes.byteSize();
                source.position(source.limit());
            }
        }

        @Override
        public void read(long position, ByteBuffer target) throws IOException {
            MemorySegment source = memory;
            MemorySegment bytes = MemorySegment.ofBuffer(target);
            if (position + bytes.byteSize() > source.byteSize()) {
                throw new EOFException(file + " ends at " + source.byteSize());
            }
            bytes.copyFrom(source.asSlice(position, bytes.byteSize()));
            target.position(target.limit());
        }

        @Override
        public void force(long start, long end) {
            // Writing back is paid by the cache line: only what is new.
            memory.asSlice(start, end - start).force();
        }

        @Override
        public long size() {
            return memory.byteSize();
        }

        @Override
        public void truncate(long bytes) throws IOException {
            try (FileChannel channel = openChannel()) {
                memory = memory.asSlice(0, Math.min(bytes, memory.byteSize()));
                var _ = channel.truncate(bytes);
            }
        }

        @Override
        public void close() {
            arena.close();
        }

        private FileChannel openChannel() throws IOException {
            return FileChannel.open(file, StandardOpenOption.READ, StandardOpenOption.WRITE);
        }

        private MemorySegment map(FileChannel channel) throws IOException {
            return channel.map(mode, 0, channel.size(), arena);
        }
    }
}
