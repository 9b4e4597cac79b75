package io.kvtier.client;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.UnavailableException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.apache.arrow.flight.FlightClient;

/**
 * PEM files by which a client and a node know each other. They are read when a client is made.
 *
 * @param authorities that may vouch for a node, empty for those of the JDK
 * @param certificate of the client itself, where nodes ask for one
 * @param key its private key, PKCS #8
 */
public record ClientTls(
        Optional<Path> authorities, Optional<Path> certificate, Optional<Path> key) {
    /** Checks that the key has its certificate. */
    public ClientTls {
        InvalidRequestException.check(
                certificate.isPresent() == key.isPresent(),
                "client's certificate and key",
                certificate.isPresent() ? "a certificate alone" : "a key alone",
                "both or none");
    }

    /** Trusts the authorities of a file; has no certificate of its own. */
    public static ClientTls trusting(Path authorities) {
        return new ClientTls(Optional.of(authorities), Optional.empty(), Optional.empty());
    }

    void configure(FlightClient.Builder builder) {
        builder.verifyServer(true);
        authorities.ifPresent(file -> builder.trustedCertificates(open(file)));
        if (certificate.isPresent() && key.isPresent()) {
            builder.clientCertificate(open(certificate.get()), open(key.get()));
        }
    }

    private static InputStream open(Path file) {
        try {
            return new ByteArrayInputStream(Files.readAllBytes(file));
        } catch (IOException e) {
            throw new UnavailableException(file + " cannot be read: " + e.getMessage(), e);
        }
    }
}
