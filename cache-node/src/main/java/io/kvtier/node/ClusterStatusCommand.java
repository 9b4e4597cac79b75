package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.error.KvtierException;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kvtier cluster status}: members, what is placed on each, and what each holds. */
@Command(
        name = "status",
        description = "Show the members of a cluster: state, share of the groups, chunks held.",
        mixinStandardHelpOptions = true)
final class ClusterStatusCommand implements Callable<Integer> {
    private static final Duration STATS_TIME = Duration.ofSeconds(2);

    private final ObjectMapper mapper = new ObjectMapper();

    @Mixin private NodeAddress address = new NodeAddress();

    @Override
    public Integer call() throws IOException {
        try (KvtierClient client = address.connect()) {
            ClusterMap map = client.map(client.within(address.deadline()));
            ObjectNode root = mapper.createObjectNode();
            root.put("epoch", map.epoch()).put("copies", map.copies());
            double shares = map.members().stream().mapToInt(Member::share).sum();
            for (Member member : map.members()) {
                ObjectNode each = root.withArray("members").addObject();
                each.put("id", member.id()).put("endpoint", member.endpoint());
                each.put("zone", member.zone()).put("state", member.state().name());
                each.put("weight", member.weight());
                each.put("share", shares == 0 ? 0 : member.share() / shares);
                if (member.isReachable() && !member.endpoint().isEmpty()) {
                    addHeld(each, member.endpoint());
                }
            }
            print(root);
            return ExitCode.OK;
        }
    }

    private void addHeld(ObjectNode out, String endpoint) throws IOException {
        try (KvtierClient node = KvtierClient.connect(endpoint, address.options())) {
            JsonNode stats = mapper.readTree(node.stats(node.within(STATS_TIME)));
            JsonNode store = stats.path("store");
            out.put("entries", store.path("entries").asLong());
            out.put("bytes", store.path("bytes").asLong());
        } catch (KvtierException e) {
            out.put("unreachable", String.valueOf(e.getMessage()));
        }
    }

    private void print(ObjectNode root) {
        if (address.json()) {
            System.out.println(root);
            return;
        }
        System.out.println(
                "epoch " + root.get("epoch") + ", " + root.get("copies") + " copies of each group");
        for (JsonNode each : root.path("members")) {
            System.out.printf(
                    "%-16s %-9s %5.1f %% of groups  %s%s%n",
                    each.path("id").asText(),
                    each.path("state").asText(),
                    100 * each.path("share").asDouble(),
                    each.path("endpoint").asText(),
                    each.has("entries")
                            ? "  " + each.get("entries") + " chunks, " + each.get("bytes") + " B"
                            : "");
        }
    }
}
