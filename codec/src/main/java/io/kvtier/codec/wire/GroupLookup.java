package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Body of the action {@code lookup-groups}: a lookup of several groups of one chain, each answered
 * by a {@link LookupReply} of its own, in order.
 *
 * @param namespace digest
 * @param groups keys of each, in chain order
 */
public record GroupLookup(Digest namespace, List<List<Digest>> groups) {
    static final int TYPE = 15;

    /** Copies the keys and checks their count. */
    public GroupLookup {
        groups = groups.stream().map(List::copyOf).toList();
        int keys = groups.stream().mapToInt(List::size).sum();
        check(keys <= Wire.KEYS_MAX, "keys of GroupLookup", keys, "0.." + Wire.KEYS_MAX);
        check(groups.size() <= Wire.KEYS_MAX, "groups", groups.size(), "0.." + Wire.KEYS_MAX);
    }

    /** Bytes of the command. */
    public byte[] toBytes() {
        int keys = groups.stream().mapToInt(List::size).sum();
        ByteBuffer out =
                Wire.begin(TYPE, Digest.BYTES + 4 + 4 * groups.size() + Digest.BYTES * keys);
        namespace.write(out);
        out.putInt(groups.size());
        groups.forEach(group -> Wire.writeKeys(out, group));
        return out.array();
    }

    /** Reads a command; refuses any other bytes. */
    public static GroupLookup parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "GroupLookup",
                in -> {
                    Digest namespace = Digest.read(in);
                    int count = in.getInt();
                    check(count >= 0 && count <= Wire.KEYS_MAX, "groups", count, "0..4096");
                    List<List<Digest>> groups = new ArrayList<>();
                    for (int i = 0; i < count; i++) {
                        groups.add(Wire.readKeys(in, "GroupLookup"));
                    }
                    return new GroupLookup(namespace, groups);
                });
    }
}
