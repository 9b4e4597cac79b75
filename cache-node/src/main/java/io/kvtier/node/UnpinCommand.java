package io.kvtier.node;

import io.kvtier.codec.wire.RetentionCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code kvtier unpin}: lets pinned chunks go when their turn comes. */
@Command(
        name = "unpin",
        description = "Let a prompt's pinned chunks go again when their turn comes.",
        mixinStandardHelpOptions = true)
final class UnpinCommand implements Callable<Integer> {
    @Mixin private RetentionCall call = new RetentionCall();

    @Override
    public Integer call() throws IOException {
        return call.run(RetentionCommand.Verb.UNPIN, "not pinned", Duration.ZERO);
    }
}
