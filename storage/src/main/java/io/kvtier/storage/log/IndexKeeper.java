package io.kvtier.storage.log;

import io.kvtier.storage.StoreFolder;
import io.kvtier.storage.UnavailableException;
import io.kvtier.storage.log.IndexDatabase.Coverage;
import io.kvtier.storage.log.IndexDatabase.LostException;
import io.kvtier.storage.log.SlotIndex.Changes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Keeps the database behind the index: opens it, writes checkpoints, and makes it anew when it is
 * lost, since a lost database costs a longer start and nothing else.
 *
 * <p>Thread-safety: {@link #checkpoint} and {@link #close} from any thread, one at a time.
 */
final class IndexKeeper {
    private static final Logger log = LoggerFactory.getLogger(IndexKeeper.class);
    private static final String PART = "index";

    private final StoreFolder folder;
    private @Nullable IndexDatabase database;

    /** Whether the database lacks changes that nobody remembers. */
    private boolean stale;

    private volatile long checkpointedBytes;

    IndexKeeper(StoreFolder folder) {
        this.folder = folder;
    }

    /** Opens what there is; null if it does not open, or there is none. */
    synchronized @Nullable IndexDatabase open() {
        try {
            database = new IndexDatabase(folder.makePart(PART));
        } catch (LostException e) {
            lose(e);
        }
        return database;
    }

    /** Gives a database up: it is set aside, and the log stands in for it. */
    synchronized void lose(Exception why) {
        stale = true;
        closeDatabase();
        if (Files.isDirectory(folder.part(PART))) {
            log.error(
                    "index does not open and is set aside, it will be made from the log kept={}"
                            + " cause={}",
                    folder.setPartAside(PART),
                    why.getMessage());
        }
    }

    /** Bytes that the log had written at the last checkpoint. */
    long checkpointedBytes() {
        return checkpointedBytes;
    }

    /**
     * Brings the database up to the log.
     *
     * @param everything rather than what changed: the order of use, too
     */
    synchronized void checkpoint(
            ChunkLog chunks, SlotIndex index, long generation, boolean everything) {
        checkpointedBytes = chunks.writtenBytes();
        // Before the changes are taken: what is settled now has all its values in the index.
        Set<Integer> settled = chunks.settled();
        try {
            if (stale) {
                closeDatabase();
                delete(folder.part(PART));
            }
            IndexDatabase target = database;
            if (target == null) {
                target = new IndexDatabase(folder.makePart(PART));
                database = target;
            }
            boolean all = everything || stale;
            stale = true;
            Changes changes = index.takeChanges(each -> settled.contains(each.id()), all);
            // Only then may the database forget the dead, or what is superseded.
            chunks.flushDeaths();
            target.checkpoint(changes, new Coverage(chunks.lastId(), generation, settled));
            stale = false;
        } catch (LostException | IOException | NoRoomException | UnavailableException e) {
            stale = true;
            log.warn("index not written, the next start takes longer cause={}", e.toString());
        }
    }

    synchronized void close() {
        closeDatabase();
    }

    private void closeDatabase() {
        if (database != null) {
            database.close();
            database = null;
        }
    }

    private static void delete(Path folder) throws IOException {
        if (!Files.isDirectory(folder)) {
            return;
        }
        try (Stream<Path> files = Files.list(folder)) {
            for (Path file : (Iterable<Path>) files::iterator) {
                Files.delete(file);
            }
        }
    }
}
