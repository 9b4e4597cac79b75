package io.kvtier.node;

import io.kvtier.codec.wire.RetentionCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kvtier pin}: keeps a prompt's chunks. */
@Command(
        name = "pin",
        description = {
            "Keep the held chunks of a prompt on disk, whole, until kvtier unpin. All of them or",
            "none: over the node's storage.retention.pinnedBytes it refuses. Needs an admin's"
                    + " token."
        },
        mixinStandardHelpOptions = true)
final class PinCommand implements Callable<Integer> {
    @Mixin private RetentionCall call = new RetentionCall();

    @Override
    public Integer call() throws IOException {
        return call.run(RetentionCommand.Verb.PIN, "pinned", Duration.ZERO);
    }
}
