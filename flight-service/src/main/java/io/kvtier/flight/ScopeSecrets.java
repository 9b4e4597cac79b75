package io.kvtier.flight;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.storage.StoreKey;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import javax.crypto.Mac;
import javax.crypto.SecretKey;
import javax.crypto.spec.SecretKeySpec;

/**
 * The secrets that scopes are made of: HMAC-SHA-256(secret, tenant), its first 16 bytes. Who does
 * not know the secret cannot tell where a tenant's chunks lie.
 *
 * @param present for puts and reads
 * @param previous for reads alone, while chunks put before a rotation are still worth having
 */
record ScopeSecrets(SecretKey present, Optional<SecretKey> previous) {
    private static final String ALGORITHM = "HmacSHA256";
    private static final int BYTES_MIN = 32;

    /**
     * Reads a file of one or two lines of at least 64 hexadecimal digits: the present secret, then
     * the previous one.
     *
     * @throws InvalidRequestException for anything else
     */
    static ScopeSecrets read(Path file) {
        List<FileLines> lines = FileLines.of(file);
        if (lines.isEmpty() || lines.size() > 2) {
            throw new InvalidRequestException(
                    file
                            + " has "
                            + lines.size()
                            + " secrets, expected the present one, and"
                            + " the previous one if there is one");
        }
        return new ScopeSecrets(
                secret(file, lines.getFirst()),
                lines.size() == 2 ? Optional.of(secret(file, lines.get(1))) : Optional.empty());
    }

    Tenant tenant(String name) {
        return new Tenant(name, scope(present, name), previous.map(secret -> scope(secret, name)));
    }

    private static SecretKey secret(Path file, FileLines line) {
        try {
            byte[] secret = HexFormat.of().parseHex(line.text());
            if (secret.length >= BYTES_MIN) {
                return new SecretKeySpec(secret, ALGORITHM);
            }
        } catch (IllegalArgumentException e) {
            // said below, without the text: it may be a secret
        }
        throw new InvalidRequestException(
                file
                        + ":"
                        + line.number()
                        + ": expected at least "
                        + 2 * BYTES_MIN
                        + " hexadecimal digits");
    }

    private static String scope(SecretKey secret, String name) {
        try {
            Mac mac = Mac.getInstance(ALGORITHM);
            mac.init(secret);
            byte[] full = mac.doFinal(name.getBytes(UTF_8));
            return HexFormat.of().formatHex(Arrays.copyOf(full, StoreKey.SCOPE_BYTES));
        } catch (GeneralSecurityException e) {
            throw new AssertionError("every JDK has HmacSHA256", e);
        }
    }
}
