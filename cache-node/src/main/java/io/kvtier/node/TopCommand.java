package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.KvtierException;
import java.io.Console;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code kvtier top}: what nodes hold and do, again and again, until interrupted. */
@Command(
        name = "top",
        description = "Show what nodes hold and do, again and again, until Ctrl-C.",
        mixinStandardHelpOptions = true)
final class TopCommand implements Callable<Integer> {
    /** To the upper left corner, and nothing below. */
    private static final String CLEAR = "\033[H\033[J";

    @Mixin private NodeAddress address = new NodeAddress();

    @Option(
            names = "--every",
            paramLabel = "TIME",
            defaultValue = "2s",
            converter = NodeAddress.Time.class,
            description = "Time between two looks (default ${DEFAULT-VALUE}).")
    private Duration every = Duration.ofSeconds(2);

    @Option(
            names = "--times",
            paramLabel = "N",
            defaultValue = "0",
            description = "Looks, 0 = until interrupted (default ${DEFAULT-VALUE}).")
    private int times;

    @Override
    public Integer call() throws IOException, InterruptedException {
        List<KvtierClient> clients = new ArrayList<>();
        try {
            for (String endpoint : address.endpoints()) {
                clients.add(KvtierClient.connect(endpoint, address.options()));
            }
            int answered = 0;
            for (int i = 0; times == 0 || i < times; i++) {
                if (i > 0) {
                    // Nobody counts it down: a pause.
                    boolean _ =
                            new CountDownLatch(1).await(every.toMillis(), TimeUnit.MILLISECONDS);
                }
                answered = show(clients);
            }
            return answered > 0 ? ExitCode.OK : ExitCode.UNAVAILABLE;
        } finally {
            clients.forEach(KvtierClient::close);
        }
    }

    /** One look; how many nodes answered. */
    private int show(List<KvtierClient> clients) throws IOException {
        StringBuilder screen = new StringBuilder();
        int answered = 0;
        for (int i = 0; i < clients.size(); i++) {
            KvtierClient client = clients.get(i);
            try {
                String json = client.stats(client.within(address.deadline()));
                answered++;
                if (address.json()) {
                    screen.append(json).append('\n');
                    continue;
                }
                for (String line : StatsView.lines(new ObjectMapper().readTree(json))) {
                    screen.append(line).append('\n');
                }
            } catch (KvtierException e) {
                screen.append(address.endpoints().get(i) + ": " + e.getMessage() + "\n");
            }
            screen.append(address.json() ? "" : "\n");
        }
        boolean terminal =
                Optional.ofNullable(System.console()).filter(Console::isTerminal).isPresent();
        System.out.print((terminal && !address.json() ? CLEAR : "") + screen);
        System.out.flush();
        return answered;
    }
}
