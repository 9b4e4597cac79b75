package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
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
                print(new ObjectMapper().readTree(json), "");
            }
            return ExitCode.OK;
        }
    }

    private static void print(JsonNode node, String prefix) {
        for (var entry : node.properties()) {
            JsonNode value = entry.getValue();
            String name = prefix + entry.getKey();
            if (value.isObject()) {
                print(value, name + ".");
            } else if (value.isArray()) {
                value.forEach(v -> print(v, prefix + v.path("name").asText() + "."));
            } else {
                System.out.printf("%-32s %s%n", name, value.asText());
            }
        }
    }
}
