package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.kvtier.client.KvtierClient;
import java.io.IOException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kvtier stats}: what a node holds and counts. */
@Command(
        name = "stats",
        description = "Show what a node holds and counts.",
        mixinStandardHelpOptions = true)
final class StatsCommand implements Callable<Integer> {
    @Mixin private NodeAddress address = new NodeAddress();

    @Override
    public Integer call() throws IOException {
        try (KvtierClient client = address.connect()) {
            String json = client.stats(client.within(address.deadline()));
            if (address.json()) {
                System.out.println(json);
            } else {
                StatsView.lines(new ObjectMapper().readTree(json)).forEach(System.out::println);
            }
            return ExitCode.OK;
        }
    }
}
