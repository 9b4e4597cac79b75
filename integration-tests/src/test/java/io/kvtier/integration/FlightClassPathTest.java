package io.kvtier.integration;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.netty.util.Version;
import java.util.Iterator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.apache.arrow.flight.Action;
import org.apache.arrow.flight.CallOptions;
import org.apache.arrow.flight.FlightClient;
import org.apache.arrow.flight.FlightServer;
import org.apache.arrow.flight.Location;
import org.apache.arrow.flight.NoOpFlightProducer;
import org.apache.arrow.flight.Result;
import org.apache.arrow.memory.BufferAllocator;
import org.apache.arrow.memory.RootAllocator;
import org.junit.jupiter.api.Test;

/** The class path that Arrow Flight gets from our version pins. */
class FlightClassPathTest {

    @Test
    void flight_echoOverLoopback_worksWithoutNettyMemory() throws Exception {
        try (BufferAllocator allocator = new RootAllocator(64L << 20);
                FlightServer server =
                        FlightServer.builder(
                                        allocator,
                                        Location.forGrpcInsecure("127.0.0.1", 0),
                                        new EchoProducer())
                                .build()
                                .start();
                FlightClient client =
                        FlightClient.builder(
                                        allocator,
                                        Location.forGrpcInsecure("127.0.0.1", server.getPort()))
                                .build()) {
            Iterator<Result> results =
                    client.doAction(
                            new Action("echo", "tokens".getBytes(UTF_8)),
                            CallOptions.timeout(10, TimeUnit.SECONDS));

            assertThat(results.next().getBody()).asString(UTF_8).isEqualTo("tokens");
            assertThat(allocator.getRoot().getAllocatedMemory()).isZero();
        }
    }

    @Test
    void arrowMemory_isUnsafe() {
        List<String> jars =
                List.of(System.getProperty("java.class.path").split(java.io.File.pathSeparator));

        assertThat(jars).anyMatch(jar -> jar.contains("arrow-memory-unsafe"));
        assertThat(jars).noneMatch(jar -> jar.contains("arrow-memory-netty"));
    }

    @Test
    void netty_hasOneVersion() {
        assertThat(
                        Version.identify().values().stream()
                                .map(Version::artifactVersion)
                                .filter(version -> version.startsWith("4."))
                                .distinct())
                .hasSize(1);
    }

    private static final class EchoProducer extends NoOpFlightProducer {
        @Override
        public void doAction(CallContext context, Action action, StreamListener<Result> listener) {
            listener.onNext(new Result(action.getBody()));
            listener.onCompleted();
        }
    }
}
