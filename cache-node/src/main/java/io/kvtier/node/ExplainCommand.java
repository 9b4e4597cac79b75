package io.kvtier.node;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.wire.LookupCommand;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code kvtier explain}: whether chunks would be hits, and if not, why. */
@Command(
        name = "explain",
        description = {
            "Say of each chunk whether it is held, where, and which parts; or why it is not:",
            "never held, evicted, expired, removed, damaged, put under another namespace.",
            "Exits with 1 if any chunk would be a miss."
        },
        mixinStandardHelpOptions = true)
final class ExplainCommand implements Callable<Integer> {
    private static final int KEY_DIGITS = 2 * Digest.BYTES;

    @Mixin private NodeAddress address = new NodeAddress();
    @Mixin private CacheOptions cacheOptions = new CacheOptions();

    @Parameters(
            paramLabel = "FILE|KEY",
            description = "safetensors with 'tokens', or a chunk's key: 64 hexadecimal digits.")
    private String what = "";

    @Override
    public Integer call() throws IOException {
        LookupCommand command = command();
        ObjectNode root = new ObjectMapper().createObjectNode();
        ArrayNode nodes = root.putArray("nodes");
        boolean held = true;
        for (String endpoint : address.endpoints()) {
            try (KvtierClient client = KvtierClient.connect(endpoint, address.options())) {
                JsonNode chunks =
                        new ObjectMapper()
                                .readTree(
                                        client.explain(command, client.within(address.deadline())));
                nodes.addObject().put("node", endpoint).set("chunks", chunks);
                for (JsonNode chunk : chunks) {
                    held &= isHeld(chunk);
                }
            }
        }
        if (address.json()) {
            System.out.println(root);
        } else {
            nodes.forEach(ExplainCommand::print);
        }
        return held ? ExitCode.OK : ExitCode.MISS;
    }

    private LookupCommand command() throws IOException {
        if (what.matches("[0-9a-f]{" + KEY_DIGITS + "}")) {
            return new LookupCommand(
                    Digest.ZERO, List.of(Digest.of(HexFormat.of().parseHex(what))));
        }
        try (Arena arena = Arena.ofShared()) {
            CacheFile prompt = cacheOptions.read(Path.of(what), arena);
            List<Digest> keys = KeyChain.withRest(prompt.namespace(), prompt.tokens());
            return new LookupCommand(prompt.namespace().digest(), keys);
        }
    }

    private static boolean isHeld(JsonNode chunk) {
        return chunk.path("state").asText().equals("held");
    }

    private static void print(JsonNode node) {
        System.out.println(node.path("node").asText());
        for (JsonNode chunk : node.path("chunks")) {
            System.out.println(
                    "  " + chunk.path("key").asText().substring(0, 8) + "  " + words(chunk));
        }
    }

    private static String words(JsonNode chunk) {
        String state = chunk.path("state").asText();
        return switch (state) {
            case "held" -> "held in the " + where(chunk);
            case "other_namespace" ->
                    "miss: put under another namespace, "
                            + chunk.path("namespace").asText().substring(0, 8)
                            + ", in the "
                            + where(chunk);
            case "not_held" -> "miss: never held by this node, as far as it remembers";
            case "evicted_from_memory" ->
                    "miss: evicted from memory" + ago(chunk) + "; it was never written to disk";
            case "evicted_from_disk" -> "miss: evicted from disk" + ago(chunk);
            case "expired" -> "miss: its time was over" + ago(chunk);
            case "removed" -> "miss: removed" + ago(chunk);
            case "damaged" -> "miss: its bytes did not match their checksum, found" + ago(chunk);
            default -> "miss: " + state + ago(chunk);
        };
    }

    private static String where(JsonNode chunk) {
        int held = chunk.path("partsHeld").asInt();
        int parts = chunk.path("parts").asInt();
        return "%s tier: %d of %d parts, rungs 0..%d, %d tokens, %d bytes%s"
                .formatted(
                        chunk.path("tier").asText(),
                        held,
                        parts,
                        chunk.path("rungMax").asInt(),
                        chunk.path("tokens").asInt(),
                        chunk.path("bytes").asLong(),
                        held < parts ? " (cut: the finer parts made room for others)" : "");
    }

    private static String ago(JsonNode chunk) {
        return " "
                + Duration.ofSeconds(chunk.path("secondsAgo").asLong())
                        .toString()
                        .substring(2)
                        .toLowerCase(java.util.Locale.ROOT)
                + " ago";
    }
}
