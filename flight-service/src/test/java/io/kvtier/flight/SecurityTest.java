package io.kvtier.flight;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.ClientTls;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.AccessDeniedException;
import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.error.UnavailableException;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import io.kvtier.storage.NanoClock;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.UnaryOperator;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** TLS, tokens, roles and scopes over real sockets, and their rotation. */
class SecurityTest {
    private static final Duration PATIENCE = Duration.ofSeconds(20);
    private static final String SECRET = "0123456789abcdef".repeat(4);
    private static final String NEXT_SECRET = "fedcba9876543210".repeat(4);

    private final Namespace namespace = TestFrames.namespace(1);
    private final int[] tokens = TestFrames.tokens(5);
    private final List<byte[]> frames = TestFrames.frames(namespace, tokens, 1, 20_000);
    private final AtomicLong nanos = new AtomicLong();
    private final NanoClock clock = nanos::get;

    private long seconds = 1_700_000_000;

    @TempDir private Path folder;
    private Path tokenFile;
    private Path secretFile;

    @BeforeEach
    void files() throws IOException {
        tokenFile = folder.resolve("tokens");
        secretFile = folder.resolve("secret");
        write(
                tokenFile,
                "# who may what",
                BearerTokens.line("t-a", Role.WRITER, "a"),
                BearerTokens.line("t-a-reader", Role.READER, "a"),
                BearerTokens.line("t-b", Role.WRITER, "b"),
                BearerTokens.line("t-admin", Role.ADMIN, "ops"));
        write(secretFile, SECRET);
    }

    @Test
    void tokens_tellTenantsAndRolesApart() {
        try (TestNode node = guarded()) {
            KvtierClient a = client(node, "t-a");
            KvtierClient reader = client(node, "t-a-reader");
            KvtierClient b = client(node, "t-b");
            assertThat(put(a)).allMatch(reply -> reply.status() == PutReply.Status.STORED);
            assertThat(held(a)).isEqualTo(5);
            assertThat(held(reader)).isEqualTo(5);
            assertThat(held(b)).isZero();
            assertThat(put(b)).allMatch(reply -> reply.status() == PutReply.Status.STORED);
            assertThatThrownBy(() -> put(reader))
                    .isInstanceOf(AccessDeniedException.class)
                    .hasMessageContaining("reader")
                    .hasMessageContaining("writer");
            assertThatThrownBy(() -> a.stats(a.within(PATIENCE)))
                    .isInstanceOf(AccessDeniedException.class)
                    .hasMessageContaining("admin");
            KvtierClient admin = client(node, "t-admin");
            assertThat(admin.stats(admin.within(PATIENCE))).contains("entries");
            assertThat(held(admin)).isZero();
        }
    }

    @Test
    void explain_ofAnotherTenantsChunks_saysWhatItSaysOfNobodys() {
        try (TestNode node = guarded()) {
            LookupCommand chunks =
                    new LookupCommand(namespace.digest(), KeyChain.withRest(namespace, tokens));
            KvtierClient a = client(node, "t-a");
            KvtierClient b = client(node, "t-b");
            String nobodys = b.explain(chunks, b.within(PATIENCE));
            assertThat(nobodys.split("\"not_held\"", -1)).hasSize(6);
            List<PutReply> _ = put(a);
            assertThat(a.explain(chunks, a.within(PATIENCE)).split("\"held\"", -1)).hasSize(6);
            assertThat(b.explain(chunks, b.within(PATIENCE))).isEqualTo(nobodys);
        }
    }

    @Test
    void wrongAndMissingTokens_areRefusedWithoutSayingMore() {
        try (TestNode node = guarded()) {
            for (KvtierClient client : List.of(client(node, "t-none"), node.client())) {
                assertThatThrownBy(() -> held(client))
                        .isInstanceOf(AccessDeniedException.class)
                        .hasMessageContaining("token")
                        .hasMessageNotContaining("t-none");
            }
        }
    }

    @Test
    void tokenRotation_takesEffectInASecondAndASlipLocksNobodyOut() throws IOException {
        try (TestNode node = guarded()) {
            KvtierClient old = client(node, "t-a");
            KvtierClient renewed = client(node, "t-new");
            List<PutReply> _ = put(old);
            assertThatThrownBy(() -> held(renewed)).isInstanceOf(AccessDeniedException.class);
            write(
                    tokenFile,
                    BearerTokens.line("t-a", Role.WRITER, "a"),
                    BearerTokens.line("t-new", Role.WRITER, "a"));
            pass();
            assertThat(held(old)).isEqualTo(5);
            assertThat(held(renewed)).isEqualTo(5);
            write(tokenFile, "not a token line");
            pass();
            assertThat(held(renewed)).isEqualTo(5);
            write(tokenFile, BearerTokens.line("t-new", Role.WRITER, "a"));
            pass();
            assertThat(held(renewed)).isEqualTo(5);
            assertThatThrownBy(() -> held(old)).isInstanceOf(AccessDeniedException.class);
        }
    }

    @Test
    void secretRotation_losesNoHitWhileThePreviousOneIsThere() throws IOException {
        try (TestNode node = guarded()) {
            KvtierClient a = client(node, "t-a");
            KvtierClient b = client(node, "t-b");
            List<PutReply> _ = put(a);
            write(secretFile, NEXT_SECRET, SECRET);
            pass();
            assertThat(held(a)).isEqualTo(5);
            assertThat(held(b)).isZero();
            // What is put now lies under the present secret, and is found without the other.
            List<PutReply> _ = put(a);
            write(secretFile, NEXT_SECRET);
            pass();
            assertThat(held(a)).isEqualTo(5);
        }
    }

    @Test
    void tls_isSpokenWithThoseWhoTrustTheNode() {
        Certificates own = Certificates.make(folder, "node");
        Certificates other = Certificates.make(folder, "other");
        TlsFiles files = new TlsFiles(own.certificate(), own.key(), Optional.empty());
        try (TestNode node = guarded(files)) {
            KvtierClient good = client(node, "t-a", trusting(own));
            assertThat(put(good)).hasSize(5);
            assertThat(held(good)).isEqualTo(5);
            KvtierClient suspicious = client(node, "t-a", trusting(other));
            assertThatThrownBy(() -> held(suspicious)).isInstanceOf(UnavailableException.class);
            KvtierClient plain = client(node, "t-a");
            assertThatThrownBy(() -> held(plain)).isInstanceOf(KvtierException.class);
        }
    }

    @Test
    void mutualTls_refusesClientsWithoutACertificateOfItsAuthority() {
        Certificates own = Certificates.make(folder, "node");
        Certificates worker = Certificates.make(folder, "worker");
        Certificates stranger = Certificates.make(folder, "stranger");
        TlsFiles files =
                new TlsFiles(own.certificate(), own.key(), Optional.of(worker.certificate()));
        try (TestNode node = guarded(files)) {
            assertThat(held(client(node, "t-a", mutual(own, worker)))).isZero();
            KvtierClient unknown = client(node, "t-a", mutual(own, stranger));
            assertThatThrownBy(() -> held(unknown)).isInstanceOf(UnavailableException.class);
            KvtierClient nameless = client(node, "t-a", trusting(own));
            assertThatThrownBy(() -> held(nameless)).isInstanceOf(UnavailableException.class);
        }
    }

    @Test
    void certificateRotation_keepsConnectionsAndMeetsNewOnes() throws IOException {
        Certificates own = Certificates.make(folder, "node");
        Path first = Files.copy(own.certificate(), folder.resolve("first.pem"));
        TlsFiles files =
                new TlsFiles(
                        own.certificate(), own.key(), Optional.empty(), Duration.ofMillis(100));
        try (TestNode node = guarded(files)) {
            KvtierClient old = client(node, "t-a", ClientTls.trusting(first));
            assertThat(put(old)).hasSize(5);
            Certificates renewed = Certificates.make(folder, "node");
            Awaitility.await()
                    .atMost(PATIENCE)
                    .ignoreExceptions()
                    .until(() -> isMet(client(node, "t-a", trusting(renewed))));
            assertThat(held(old)).isEqualTo(5);
            assertThatThrownBy(() -> held(client(node, "t-a", ClientTls.trusting(first))))
                    .isInstanceOf(UnavailableException.class);
        }
    }

    @Test
    void badFiles_areRefusedWithFileAndLine() throws IOException {
        write(tokenFile, "", "deadbeef writer a");
        assertThatThrownBy(() -> new BearerTokens(tokenFile, secretFile, clock))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining(tokenFile + ":2");
        write(tokenFile, BearerTokens.line("t", Role.WRITER, "a"));
        write(secretFile, "abcd");
        assertThatThrownBy(() -> new BearerTokens(tokenFile, secretFile, clock))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("64")
                .hasMessageNotContaining("abcd");
        Path missing = folder.resolve("missing");
        assertThatThrownBy(() -> new BearerTokens(missing, secretFile, clock))
                .isInstanceOf(UnavailableException.class)
                .hasMessageContaining("missing");
        TlsFiles noPem = new TlsFiles(secretFile, secretFile, Optional.empty());
        assertThatThrownBy(() -> guarded(noPem)).isInstanceOf(KvtierException.class);
    }

    private TestNode guarded() {
        return guarded(Optional.empty());
    }

    private TestNode guarded(TlsFiles files) {
        return guarded(Optional.of(files));
    }

    private TestNode guarded(Optional<TlsFiles> files) {
        return new TestNode(
                folder.resolve("profiles"),
                UnaryOperator.identity(),
                (store, memory) -> store,
                new BearerTokens(tokenFile, secretFile, clock),
                files);
    }

    private static KvtierClient client(TestNode node, String token) {
        return node.client(
                node.node.port(), ClientOptions.defaults().withAuthorization("Bearer " + token));
    }

    private static KvtierClient client(TestNode node, String token, ClientTls tls) {
        return node.client(
                node.node.port(),
                ClientOptions.defaults().withAuthorization("Bearer " + token).withTls(tls));
    }

    private static ClientTls trusting(Certificates node) {
        return ClientTls.trusting(node.certificate());
    }

    private static ClientTls mutual(Certificates node, Certificates client) {
        return new ClientTls(
                Optional.of(node.certificate()),
                Optional.of(client.certificate()),
                Optional.of(client.key()));
    }

    private List<PutReply> put(KvtierClient client) {
        return client.put(
                namespace,
                TestFrames.segments(frames),
                Persistence.MEMORY,
                client.within(PATIENCE));
    }

    private int held(KvtierClient client) {
        return client.match(namespace, tokens, client.within(PATIENCE)).chunks().size();
    }

    /** Whether a new connection is made; a client goes on trying until its deadline. */
    private boolean isMet(KvtierClient client) {
        return !client.match(namespace, tokens, client.within(Duration.ofSeconds(1))).isMiss();
    }

    /** A second later by the node's clock. */
    private void pass() {
        long _ = nanos.addAndGet(Duration.ofMillis(1001).toNanos());
    }

    private void write(Path file, String... lines) throws IOException {
        Files.write(file, Arrays.asList(lines));
        // Each state of a file has a time of its own, however coarse the file system's clock.
        Files.setLastModifiedTime(file, FileTime.from(Instant.ofEpochSecond(seconds++)));
    }
}
