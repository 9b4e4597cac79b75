package io.kvtier.flight;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.storage.NanoClock;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Accepts calls that bring a token of a file. The file holds only SHA-256 of the tokens, a line
 * {@code HASH ROLE TENANT} each, and may change at any time.
 */
public final class BearerTokens implements Authenticator {
    /* A hash is looked up by equality: how long that takes tells about hashes, which do not lead
     * back to a token.
     */
    private static final String SCHEME = "Bearer ";
    private static final Pattern TENANT = Pattern.compile("[A-Za-z0-9._-]{1,64}");
    private static final Pattern LINE =
            Pattern.compile("([0-9a-f]{64})\\s+(\\S+)\\s+(" + TENANT + ")");

    private final Reloaded<Map<String, Entry>> tokens;
    private final Reloaded<ScopeSecrets> secrets;

    private record Entry(String tenant, Role role) {}

    /**
     * Reads both files.
     *
     * @param tokenFile of tokens' hashes
     * @param secretFile of one or two secrets, the present and the previous one, in hexadecimal
     * @throws io.kvtier.codec.error.KvtierException that says what is wrong with a file
     */
    public BearerTokens(Path tokenFile, Path secretFile, NanoClock clock) {
        tokens = new Reloaded<>(tokenFile, BearerTokens::read, clock);
        secrets = new Reloaded<>(secretFile, ScopeSecrets::read, clock);
    }

    /** A token's line of the file. */
    public static String line(String token, Role role, String tenant) {
        InvalidRequestException.check(
                TENANT.matcher(tenant).matches(),
                "tenant",
                tenant,
                "1 to 64 letters, digits, '.', '_' or '-'");
        return hash(token) + " " + role.label() + " " + tenant;
    }

    @Override
    public Caller authenticate(String authorization) {
        if (!authorization.startsWith(SCHEME)) {
            throw new AccessDeniedException("no bearer token came with the call");
        }
        @Nullable Entry entry =
                tokens.get().get(hash(authorization.substring(SCHEME.length()).strip()));
        if (entry == null) {
            throw new AccessDeniedException("the bearer token is not known");
        }
        return new Caller(secrets.get().tenant(entry.tenant()), entry.role());
    }

    private static Map<String, Entry> read(Path file) {
        Map<String, Entry> entries = new HashMap<>();
        for (FileLines line : FileLines.of(file)) {
            Matcher parts = LINE.matcher(line.text());
            Optional<Role> role = parts.matches() ? Role.of(parts.group(2)) : Optional.empty();
            if (role.isEmpty()) {
                throw new InvalidRequestException(
                        file
                                + ":"
                                + line.number()
                                + ": expected 64 hexadecimal digits, a role (reader, writer, admin,"
                                + " node) and a tenant");
            }
            entries.put(parts.group(1), new Entry(parts.group(3), role.get()));
        }
        return Map.copyOf(entries);
    }

    private static String hash(String token) {
        try {
            MessageDigest sha = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(sha.digest(token.getBytes(UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError("every JDK has SHA-256", e);
        }
    }
}
