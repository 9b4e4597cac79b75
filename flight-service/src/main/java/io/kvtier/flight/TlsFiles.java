package io.kvtier.flight;

import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;

/**
 * PEM files of a node's TLS, read again when they change: connections that are open stay.
 *
 * @param certificate the node's own, with what leads to its authority
 * @param key its private key, PKCS #8
 * @param clients authorities of clients; with them a client without a certificate is refused
 * @param look how often files are looked at
 */
public record TlsFiles(Path certificate, Path key, Optional<Path> clients, Duration look) {
    /** Files that are looked at every minute. */
    public TlsFiles(Path certificate, Path key, Optional<Path> clients) {
        this(certificate, key, clients, Duration.ofMinutes(1));
    }
}
