package io.kvtier.flight;

import io.kvtier.codec.identity.Digest;
import io.kvtier.storage.ChunkStore;
import io.kvtier.storage.StoreKey;

/**
 * The store keys of one tenant's chunks.
 *
 * @param store where they lie
 * @param tenant whose they are
 */
record TenantKeys(ChunkStore store, Tenant tenant) {
    /** Where a put goes. */
    StoreKey toWrite(Digest chunk) {
        return tenant.keyOf(chunk);
    }

    /** Where a chunk is held: under the previous scope only if it is not under the present one. */
    StoreKey toRead(Digest chunk) {
        StoreKey present = tenant.keyOf(chunk);
        if (tenant.previousScope().isEmpty() || store.find(present).isPresent()) {
            return present;
        }
        return Tenant.keyOf(tenant.previousScope().get(), chunk);
    }
}
