package io.kvtier.node;

import io.kvtier.flight.BearerTokens;
import io.kvtier.flight.Role;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Option;
import picocli.CommandLine.TypeConversionException;

/** {@code kvtier token}: makes a bearer token, and the line by which nodes know it. */
@Command(
        name = "token",
        description = {
            "Make a bearer token: writes it to FILE, which only its owner can read, and prints",
            "the line for the nodes' file of tokens (security.tokens), which holds its hash."
        },
        mixinStandardHelpOptions = true)
final class TokenCommand implements Callable<Integer> {
    private static final int TOKEN_BYTES = 32;

    @Option(
            names = "--tenant",
            paramLabel = "NAME",
            required = true,
            description = "Whose chunks the token sees.")
    private String tenant = "";

    @Option(
            names = "--role",
            paramLabel = "ROLE",
            defaultValue = "writer",
            converter = RoleLabel.class,
            description = "reader, writer, admin or node (default ${DEFAULT-VALUE}).")
    private Role role = Role.WRITER;

    @Option(
            names = "--out",
            paramLabel = "FILE",
            required = true,
            description = "File to write the token to; it must not exist.")
    private Path out = Path.of("");

    @Override
    public Integer call() {
        byte[] secret = new byte[TOKEN_BYTES];
        new SecureRandom().nextBytes(secret);
        String token = HexFormat.of().formatHex(secret);
        String line = BearerTokens.line(token, role, tenant);
        try {
            Files.createFile(
                    out,
                    PosixFilePermissions.asFileAttribute(
                            PosixFilePermissions.fromString("rw-------")));
            Files.writeString(out, token + "\n", StandardOpenOption.TRUNCATE_EXISTING);
        } catch (IOException | UnsupportedOperationException e) {
            throw new CommandException(
                    ExitCode.USAGE, out + " cannot be made: " + e.getMessage(), e);
        }
        System.out.println(line);
        return ExitCode.OK;
    }

    /** Reads a role's label. */
    static final class RoleLabel implements ITypeConverter<Role> {
        @Override
        public Role convert(String label) {
            return Role.of(label)
                    .orElseThrow(
                            () ->
                                    new TypeConversionException(
                                            "'"
                                                    + label
                                                    + "' is not reader, writer, admin or"
                                                    + " node"));
        }
    }
}
