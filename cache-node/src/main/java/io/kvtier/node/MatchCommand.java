package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.codec.wire.ChunkDirectory;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** {@code kvtier match}: the longest prefix that the node holds. */
@Command(
        name = "match",
        description = "Show the longest held prefix of a file's tokens: chunks, parts, bytes.",
        mixinStandardHelpOptions = true)
final class MatchCommand implements Callable<Integer> {
    @Mixin private NodeAddress address = new NodeAddress();
    @Mixin private CacheOptions cacheOptions = new CacheOptions();

    @Parameters(paramLabel = "FILE", description = "safetensors with 'tokens'.")
    private Path file = Path.of("");

    @Override
    public Integer call() throws IOException {
        try (Arena arena = Arena.ofShared();
                KvtierClient client = address.connect()) {
            CacheFile prompt = cacheOptions.read(file, arena);
            Match match =
                    client.match(
                            prompt.namespace(), prompt.tokens(), client.within(address.deadline()));
            print(prompt, match);
            return match.isMiss() ? ExitCode.MISS : ExitCode.OK;
        }
    }

    private void print(CacheFile prompt, Match match) {
        ObjectNode root = new ObjectMapper().createObjectNode();
        root.put("namespace", prompt.namespace().digest().toString());
        root.put("tokens", prompt.tokens().length).put("matchedTokens", match.tokens());
        root.putArray("chunks");
        for (int i = 0; i < match.chunks().size(); i++) {
            ChunkDirectory chunk = match.chunks().get(i);
            int rung = 0;
            long bytes = chunk.headerBytes();
            for (ChunkDirectory.Entry entry : chunk.parts().subList(0, chunk.partsHeld())) {
                rung = Math.max(rung, entry.part().rung());
                bytes += entry.bytes();
            }
            root.withArray("chunks")
                    .addObject()
                    .put("key", match.keys().get(i).toString())
                    .put("encodingId", chunk.encodingId().toString())
                    .put("tokens", chunk.tokens())
                    .put("rungMax", rung)
                    .put("partsHeld", chunk.partsHeld())
                    .put("parts", chunk.parts().size())
                    .put("bytes", bytes);
        }
        if (address.json()) {
            System.out.println(root);
            return;
        }
        System.out.println(match.tokens() + " of " + prompt.tokens().length + " tokens are held");
        root.withArray("chunks")
                .forEach(
                        c ->
                                System.out.println(
                                        c.get("key").asText().substring(0, 8)
                                                + "  tokens "
                                                + c.get("tokens")
                                                + "  rungs 0.."
                                                + c.get("rungMax")
                                                + "  bytes "
                                                + c.get("bytes")));
    }
}
