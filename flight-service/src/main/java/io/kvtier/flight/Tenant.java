package io.kvtier.flight;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.storage.StoreKey;
import java.util.HexFormat;
import java.util.Optional;

/**
 * On whose behalf a call is made: chunks are shared within a scope and invisible beyond it.
 *
 * @param name for logs
 * @param scope 32 hexadecimal digits, the first 16 bytes of every store key
 * @param previousScope where chunks were put before the secret behind the scope was rotated
 */
public record Tenant(String name, String scope, Optional<String> previousScope) {
    /** The one tenant of a node without authentication. */
    public static final Tenant NONE = new Tenant("", "0".repeat(2 * StoreKey.SCOPE_BYTES));

    /** Checks the scope's length. */
    public Tenant {
        int digits = 2 * StoreKey.SCOPE_BYTES;
        check(scope.length() == digits, "digits of a scope", scope.length(), digits);
        previousScope.ifPresent(
                other ->
                        check(
                                other.length() == digits,
                                "digits of a scope",
                                other.length(),
                                digits));
    }

    /** A tenant whose scope never was another. */
    public Tenant(String name, String scope) {
        this(name, scope, Optional.empty());
    }

    /** Where the store keeps this tenant's chunk. */
    StoreKey keyOf(Digest chunk) {
        return keyOf(scope, chunk);
    }

    static StoreKey keyOf(String scope, Digest chunk) {
        return StoreKey.of(HexFormat.of().parseHex(scope), chunk.toBytes());
    }
}
