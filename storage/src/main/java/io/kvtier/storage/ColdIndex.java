package io.kvtier.storage;

import io.kvtier.storage.RocksDatabase.UnreadableException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a cold store holds, in memory, in order of use.
 *
 * <p>Rebuilt from the meta column at open, in order of writing, which is the best guess of the
 * order of use that a restart leaves.
 */
final class ColdIndex {
    private static final Logger log = LoggerFactory.getLogger(ColdIndex.class);

    /** One value on disk. Compared by identity: a value written again is another entry. */
    static final class Entry implements RecencyMap.Weighed {
        final MetaRecord record;

        /** Whether it would survive a loss of power; set once, under the key's stripe. */
        volatile boolean durable;

        Entry(MetaRecord record, boolean durable) {
            this.record = record;
            this.durable = durable;
        }

        ChunkMeta meta() {
            return record.meta();
        }

        long generation() {
            return record.generation();
        }

        @Override
        public long weight() {
            return record.meta().bytes() + record.meta().heapBytes() + StoreKey.BYTES;
        }
    }

    private record Found(StoreKey key, MetaRecord record) {}

    final RecencyMap<Entry> entries = new RecencyMap<>();
    private long generationMax;
    private long unreadable;

    /** Reads all records; those that fail their check are dropped and counted. */
    static ColdIndex load(RocksDatabase database) throws UnreadableException {
        ColdIndex index = new ColdIndex();
        List<Found> found = new ArrayList<>();
        database.scan(
                (key, bytes) -> {
                    try {
                        found.add(new Found(key, MetaRecord.decode(key, bytes)));
                    } catch (CorruptChunkException e) {
                        index.unreadable++;
                        log.warn("record dropped {}", e.getMessage());
                    }
                });
        found.sort(Comparator.comparingLong(each -> each.record().generation()));
        for (Found each : found) {
            // Recovery wrote everything it replayed into files, and synced those.
            Entry entry = new Entry(each.record(), true);
            if (index.entries.put(each.key(), entry) != null) {
                throw new AssertionError("two records of one key in the meta column");
            }
            index.generationMax = each.record().generation();
        }
        return index;
    }

    /** The newest generation found at load; 0 for an empty store. */
    long generationMax() {
        return generationMax;
    }

    /** Records that could not be read at load. */
    long unreadable() {
        return unreadable;
    }
}
