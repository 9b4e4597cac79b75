package io.kvtier.node.admin;

import java.util.Optional;
import javax.net.ssl.SSLContext;

/**
 * Where the admin listener is, and how its wire is protected.
 *
 * @param host address to bind
 * @param port 0 = any free one
 * @param ssl HTTPS where it is given
 * @param authenticated whether callers need a token
 */
public record AdminOptions(
        String host, int port, Optional<SSLContext> ssl, boolean authenticated) {}
