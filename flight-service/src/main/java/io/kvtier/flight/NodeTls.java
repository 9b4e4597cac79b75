package io.kvtier.flight;

import io.grpc.netty.GrpcSslContexts;
import io.grpc.util.AdvancedTlsX509KeyManager;
import io.grpc.util.AdvancedTlsX509TrustManager;
import io.grpc.util.AdvancedTlsX509TrustManager.Verification;
import io.kvtier.codec.error.UnavailableException;
import io.netty.handler.ssl.ClientAuth;
import io.netty.handler.ssl.SslContext;
import io.netty.handler.ssl.SslContextBuilder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The TLS of a node: keys and authorities that are looked at again from time to time; a new
 * connection meets them as they then are. A change that cannot be used leaves what was there.
 *
 * <p>Ownership: {@link #close} stops looking.
 */
final class NodeTls implements AutoCloseable {
    private static final Logger log = LoggerFactory.getLogger(NodeTls.class);

    private final TlsFiles files;
    private final AdvancedTlsX509KeyManager keys = new AdvancedTlsX509KeyManager();
    private final AdvancedTlsX509TrustManager trust;
    private final SslContext context;
    private final ScheduledExecutorService looking;

    /** When the files were last changed, as they were last read; only the looking thread's. */
    private List<FileTime> read;

    /**
     * Reads the files.
     *
     * @throws UnavailableException if one is not what it should be
     */
    NodeTls(TlsFiles files) {
        this.files = files;
        try {
            trust =
                    AdvancedTlsX509TrustManager.newBuilder()
                            .setVerification(Verification.CERTIFICATE_ONLY_VERIFICATION)
                            .build();
            read = modified();
            load();
            SslContextBuilder builder =
                    GrpcSslContexts.configure(SslContextBuilder.forServer(keys));
            if (files.clients().isPresent()) {
                builder.trustManager(trust).clientAuth(ClientAuth.REQUIRE);
            }
            context = builder.build();
        } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
            throw new UnavailableException(
                    "TLS of "
                            + files.certificate()
                            + " and "
                            + files.key()
                            + " cannot be used: "
                            + e.getMessage()
                            + "; PEM files are expected, the key in PKCS #8",
                    e);
        }
        looking =
                Executors.newSingleThreadScheduledExecutor(
                        Thread.ofPlatform().name("kvtier-tls").daemon().factory());
        long millis = files.look().toMillis();
        var _ = looking.scheduleWithFixedDelay(this::look, millis, millis, TimeUnit.MILLISECONDS);
    }

    SslContext context() {
        return context;
    }

    /** For another listener of this node: the same certificate, and none asked of clients. */
    SSLContext serverOnly() {
        try {
            SSLContext ssl = SSLContext.getInstance("TLS");
            ssl.init(new KeyManager[] {keys}, null, null);
            return ssl;
        } catch (GeneralSecurityException e) {
            throw new AssertionError("every JDK has TLS", e);
        }
    }

    @Override
    public void close() {
        looking.shutdownNow();
    }

    private void look() {
        try {
            List<FileTime> now = modified();
            if (!now.equals(read)) {
                load();
                read = now;
                log.info("read TLS files again certificate={}", files.certificate());
            }
        } catch (IOException | GeneralSecurityException | RuntimeException e) {
            // Looked at again: files may be in the middle of being written.
            log.error("TLS files cannot be used, what they said before stays: {}", files, e);
        }
    }

    private void load() throws IOException, GeneralSecurityException {
        keys.updateIdentityCredentials(files.certificate().toFile(), files.key().toFile());
        if (files.clients().isPresent()) {
            trust.updateTrustCredentials(files.clients().get().toFile());
        }
    }

    private List<FileTime> modified() throws IOException {
        List<FileTime> times = new ArrayList<>();
        times.add(Files.getLastModifiedTime(files.certificate()));
        times.add(Files.getLastModifiedTime(files.key()));
        for (Path clients : files.clients().stream().toList()) {
            times.add(Files.getLastModifiedTime(clients));
        }
        return times;
    }
}
