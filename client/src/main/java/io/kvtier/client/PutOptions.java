package io.kvtier.client;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Namespace;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Persistence;
import io.kvtier.codec.wire.PutCommand;
import java.time.Duration;
import java.util.List;

/**
 * How frames are put.
 *
 * @param durability that a node must reach before it counts
 * @param copies nodes that must reach it before the put returns; those that the cluster keeps
 *     beyond them are made afterwards
 * @param chain keys of the prompt's chunks from the first one on, by which owners are found; may be
 *     left out when each frame's group begins among the frames themselves
 * @param ttl after which the chunks expire; zero = as the nodes keep the namespace
 */
public record PutOptions(Persistence durability, int copies, List<Digest> chain, Duration ttl) {
    /** Copies the chain and checks the count. */
    public PutOptions {
        chain = List.copyOf(chain);
        check(
                copies >= 1 && copies <= ClusterMap.COPIES_MAX,
                "copies",
                copies,
                "1.." + ClusterMap.COPIES_MAX);
        check(
                !ttl.isNegative() && (ttl.isZero() || ttl.toMillis() > 0),
                "ttl",
                ttl,
                "zero, or a millisecond or more");
    }

    /** One copy before the put returns. */
    public static PutOptions of(Persistence durability) {
        return new PutOptions(durability, 1, List.of(), Duration.ZERO);
    }

    /** The same with another count of copies. */
    public PutOptions withCopies(int count) {
        return new PutOptions(durability, count, chain, ttl);
    }

    /** The same with the prompt's keys. */
    public PutOptions withChain(List<Digest> keys) {
        return new PutOptions(durability, copies, keys, ttl);
    }

    /** The same with a time after which the chunks expire. */
    public PutOptions withTtl(Duration time) {
        return new PutOptions(durability, copies, chain, time);
    }

    /** The command for one node. */
    PutCommand command(Namespace namespace) {
        return new PutCommand(durability, 1, namespace, ttl.toMillis());
    }
}
