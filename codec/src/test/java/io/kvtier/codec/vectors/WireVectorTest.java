package io.kvtier.codec.vectors;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.testing.Messages;
import io.kvtier.codec.wire.PutCommand;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class WireVectorTest {
    @Test
    void messages_haveTheseBytes() throws IOException {
        List<Object> cases = new ArrayList<>();
        for (Record message : Messages.all()) {
            byte[] bytes = Messages.toBytes(message);
            assertThat(Messages.parse(bytes)).isEqualTo(message);
            cases.add(
                    Json.object(
                            "message",
                            message.getClass().getSimpleName(),
                            "fields",
                            message,
                            "bytes",
                            bytes));
            Golden.holdSeed("message", "sample-" + cases.size(), bytes);
        }
        Golden.holdJson("wire", Json.object("cases", cases));
    }

    @Test
    void samples_coverEveryTypeOfTheFormat() {
        assertThat(
                        Messages.all().stream()
                                .map(message -> (int) Messages.toBytes(message)[0])
                                .collect(Collectors.toSet()))
                .isEqualTo(
                        IntStream.rangeClosed(1, 17)
                                .filter(type -> type != 10) // its body may be a whole profile
                                .boxed()
                                .collect(Collectors.toSet()));
        assertThat(Messages.all().getFirst()).isInstanceOf(PutCommand.class);
    }
}
