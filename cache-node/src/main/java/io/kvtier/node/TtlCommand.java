package io.kvtier.node;

import io.kvtier.codec.wire.RetentionCommand;
import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.TypeConversionException;

/** {@code kvtier ttl}: sets when a prompt's chunks expire. */
@Command(
        name = "ttl",
        description = "Let the held chunks of a prompt expire so long from now, or never.",
        mixinStandardHelpOptions = true)
final class TtlCommand implements Callable<Integer> {
    @Mixin private RetentionCall call = new RetentionCall();

    @Parameters(
            index = "1",
            paramLabel = "TIME",
            converter = TimeOrNever.class,
            description = "30s, 10min, 12h, 7d, or never.")
    private Duration time = Duration.ZERO;

    @Override
    public Integer call() throws IOException {
        String done = time.isZero() ? "do not expire" : "expire in " + time.toSeconds() + " s";
        return call.run(RetentionCommand.Verb.EXPIRE, done, time);
    }

    /** Reads a time that is not zero, or {@code never}, which is zero. */
    static final class TimeOrNever implements ITypeConverter<Duration> {
        @Override
        public Duration convert(String text) {
            if (text.equals("never")) {
                return Duration.ZERO;
            }
            Duration time = new NodeAddress.Time().convert(text);
            if (time.isZero()) {
                throw new TypeConversionException(
                        "'" + text + "' is no time: kvtier evict removes");
            }
            return time;
        }
    }
}
