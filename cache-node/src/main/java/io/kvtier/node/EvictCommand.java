package io.kvtier.node;

import io.kvtier.codec.wire.RetentionCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kvtier evict}: removes a prompt's chunks. */
@Command(
        name = "evict",
        description = {
            "Remove the held chunks of a prompt from memory and disk, for good. Chunks that are",
            "pinned stay. Chunks that other prompts share go as well."
        },
        mixinStandardHelpOptions = true)
final class EvictCommand implements Callable<Integer> {
    @Mixin private RetentionCall call = new RetentionCall();

    @Override
    public Integer call() throws IOException {
        return call.run(RetentionCommand.Verb.EVICT, "removed", Duration.ZERO);
    }
}
