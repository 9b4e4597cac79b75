package io.kvtier.flight;

import io.kvtier.codec.identity.Digest;
import io.kvtier.storage.StoreKey;
import java.util.HexFormat;

/**
 * On whose behalf a call is made: chunks are shared within a scope and invisible beyond it.
 *
 * @param name for logs
 * @param scope 32 hexadecimal digits, the first 16 bytes of every store key
 */
public record Tenant(String name, String scope) {
    /** The one tenant of a node without authentication. */
    public static final Tenant NONE = new Tenant("", "0".repeat(2 * StoreKey.SCOPE_BYTES));

    /** Checks the scope's length. */
    public Tenant {
        io.kvtier.codec.error.InvalidRequestException.check(
                scope.length() == 2 * StoreKey.SCOPE_BYTES,
                "digits of a scope",
                scope.length(),
                2 * StoreKey.SCOPE_BYTES);
    }

    /** Where the store keeps this tenant's chunk. */
    StoreKey keyOf(Digest chunk) {
        return StoreKey.of(HexFormat.of().parseHex(scope), chunk.toBytes());
    }
}
