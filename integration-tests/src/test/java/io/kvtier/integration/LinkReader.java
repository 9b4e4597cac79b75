package io.kvtier.integration;

import io.kvtier.client.ClientOptions;
import io.kvtier.client.Delivery;
import io.kvtier.client.KvtierClient;
import io.kvtier.client.Match;
import io.kvtier.client.StreamOptions;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutReply;
import java.lang.foreign.MemorySegment;
import java.time.Duration;
import java.util.List;

/**
 * A reader in a process of its own: puts frames, streams them back by a deadline, checks every byte
 * and prints what came: {@code delivered matched end bytes}.
 */
final class LinkReader {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private LinkReader() {}

    /** Endpoint, chunks, deadline in ms. */
    public static void main(String[] args) {
        int[] tokens = StoredFrames.tokens(Integer.parseInt(args[1]));
        Duration time = Duration.ofMillis(Long.parseLong(args[2]));
        List<byte[]> frames = StoredFrames.encoding(tokens, 3);
        try (KvtierClient client = KvtierClient.connect(args[0], ClientOptions.defaults())) {
            List<PutReply> _ =
                    client.put(
                            StoredFrames.NAMESPACE,
                            frames.stream().map(MemorySegment::ofArray).toList(),
                            Persistence.MEMORY,
                            client.within(PATIENCE));
            Match match = client.match(StoredFrames.NAMESPACE, tokens, client.within(PATIENCE));
            SwitchingSink sink = new SwitchingSink(-1, () -> {});
            Delivery delivery =
                    client.open(match, client.within(time), StreamOptions.defaults(), sink);
            int _ = sink.assertSound(delivery, frames, frames);
            System.out.println(
                    "came "
                            + String.join(
                                    " ",
                                    String.valueOf(delivery.delivered()),
                                    String.valueOf(delivery.hit()),
                                    delivery.end().name(),
                                    String.valueOf(delivery.bytes())));
        }
    }
}
