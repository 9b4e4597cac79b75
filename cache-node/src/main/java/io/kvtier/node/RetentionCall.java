package io.kvtier.node;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.kvtier.client.KvtierClient;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.KeyChain;
import io.kvtier.codec.wire.RetentionCommand;
import io.kvtier.codec.wire.RetentionReply;
import io.kvtier.codec.wire.RetentionReply.Status;
import io.kvtier.node.tensors.CacheFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;

/** Options and work of the commands that say how long a prompt's chunks are to stay. */
final class RetentionCall {
    @Mixin private NodeAddress address = new NodeAddress();
    @Mixin private CacheOptions cacheOptions = new CacheOptions();

    @Parameters(
            index = "0",
            paramLabel = "FILE",
            description = "safetensors with 'tokens': the prompt whose chunks are meant.")
    private Path file = Path.of("");

    /**
     * Sends the command for every chunk of the prompt, and prints what became of them.
     *
     * @param done what to call those of which it is done
     * @param ttl zero but for {@link RetentionCommand.Verb#EXPIRE}
     */
    int run(RetentionCommand.Verb verb, String done, Duration ttl) throws IOException {
        try (Arena arena = Arena.ofShared();
                KvtierClient client = address.connect()) {
            CacheFile prompt = cacheOptions.read(file, arena);
            List<Digest> keys = KeyChain.withRest(prompt.namespace(), prompt.tokens());
            RetentionCommand command =
                    new RetentionCommand(verb, ttl.toMillis(), prompt.namespace().digest(), keys);
            RetentionReply reply = client.retain(command, client.within(address.deadline()));
            print(command, reply, done);
            return exitCode(reply);
        }
    }

    private static int exitCode(RetentionReply reply) {
        if (reply.count(Status.PINNED) > 0) {
            return ExitCode.UNAVAILABLE;
        }
        return reply.count(Status.DONE) > 0 ? ExitCode.OK : ExitCode.MISS;
    }

    private void print(RetentionCommand command, RetentionReply reply, String done) {
        int count = reply.count(Status.DONE);
        int pinned = reply.count(Status.PINNED);
        if (address.json()) {
            ObjectNode root = new ObjectMapper().createObjectNode();
            root.put("verb", command.verb().name().toLowerCase(Locale.ROOT));
            root.put("namespace", command.namespace().toString());
            root.put("done", count).put("pinned", pinned);
            root.put("absent", reply.count(Status.ABSENT));
            for (int i = 0; i < command.keys().size(); i++) {
                root.withArray("chunks")
                        .addObject()
                        .put("key", command.keys().get(i).toString())
                        .put("status", reply.statuses().get(i).name().toLowerCase(Locale.ROOT));
            }
            System.out.println(root);
            return;
        }
        System.out.println(
                count + " of " + command.keys().size() + " chunks " + done + held(reply));
        if (pinned > 0) {
            System.err.println(
                    "kvtier: " + pinned + " chunks are pinned and stay: kvtier unpin first");
        }
    }

    private static String held(RetentionReply reply) {
        int absent = reply.count(Status.ABSENT);
        return absent == 0 ? "" : ", " + absent + " are not held";
    }
}
