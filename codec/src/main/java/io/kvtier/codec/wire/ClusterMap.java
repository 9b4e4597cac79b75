package io.kvtier.codec.wire;

import static io.kvtier.codec.error.InvalidRequestException.check;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Who is in a cluster and what is placed on whom: all that clients need in order to find owners. A
 * map of a higher epoch of the same cluster replaces one of a lower.
 *
 * @param cluster a number drawn when the cluster was made; epochs of different clusters have
 *     nothing to do with each other
 * @param epoch counts changes, from 0, the epoch of no members
 * @param copies owners of each group
 * @param groupTokens tokens of the longest groups, see {@code placement.PrefixGroups}
 * @param members by id, each with as many shares
 */
public record ClusterMap(
        long cluster, long epoch, int copies, int groupTokens, List<Member> members) {
    /** Most members of a cluster. */
    public static final int MEMBERS_MAX = 1024;

    /** Most copies. */
    public static final int COPIES_MAX = 16;

    /** Most placements that a map tells: the one that holds, and earlier ones. */
    public static final int PLACEMENTS_MAX = 4;

    static final int TYPE = 11;

    private static final int GROUP_TOKENS_MAX = 1 << 20;

    /** Copies the members and checks that they are in order. */
    public ClusterMap {
        members = List.copyOf(members);
        check(epoch >= 0, "epoch", epoch, "0 or more");
        check(copies >= 1 && copies <= COPIES_MAX, "copies", copies, "1.." + COPIES_MAX);
        check(
                groupTokens >= 1 && groupTokens <= GROUP_TOKENS_MAX,
                "groupTokens",
                groupTokens,
                "1.." + GROUP_TOKENS_MAX);
        check(members.size() <= MEMBERS_MAX, "members", members.size(), MEMBERS_MAX);
        for (int i = 0; i < members.size(); i++) {
            Member member = members.get(i);
            int placements = members.getFirst().shares().size();
            check(
                    placements >= 1 && placements <= PLACEMENTS_MAX,
                    "placements",
                    placements,
                    "1.." + PLACEMENTS_MAX);
            check(
                    member.shares().size() == placements,
                    "shares of " + member.id(),
                    member.shares().size(),
                    placements);
            check(
                    i == 0 || members.get(i - 1).id().compareTo(member.id()) < 0,
                    "node id",
                    member.id(),
                    "after the one before it");
        }
    }

    /** The map of a node that is in no cluster: itself, where it was asked. */
    public static ClusterMap alone() {
        return new ClusterMap(0, 0, 1, 2048, List.of(Member.up("alone", "", "", 1)));
    }

    /** A member by its id. */
    public Optional<Member> member(String id) {
        return members.stream().filter(member -> member.id().equals(id)).findFirst();
    }

    /** Whether this map takes the place of another. */
    public boolean replaces(ClusterMap other) {
        return cluster != other.cluster || epoch > other.epoch;
    }

    /** Placements that the map tells, at least 1. */
    public int placements() {
        return members.isEmpty() ? 1 : members.getFirst().shares().size();
    }

    /** Bytes of the map. */
    public byte[] toBytes() {
        int bytes = members.stream().mapToInt(Member::byteSize).sum();
        ByteBuffer out = Wire.begin(TYPE, 24 + bytes);
        out.putLong(cluster).putLong(epoch).putInt(groupTokens);
        out.put((byte) copies).put((byte) placements()).putShort((short) members.size());
        members.forEach(member -> member.write(out));
        return out.array();
    }

    /** Reads a map; refuses any other bytes. */
    public static ClusterMap parse(ByteBuffer bytes) {
        return Wire.parse(
                bytes,
                TYPE,
                "ClusterMap",
                in -> {
                    long cluster = in.getLong();
                    long epoch = in.getLong();
                    int groupTokens = in.getInt();
                    int copies = Wire.u8(in);
                    int placements = Wire.u8(in);
                    int count = Wire.u16(in);
                    check(
                            placements <= PLACEMENTS_MAX && (count > 0 || placements == 1),
                            "placements",
                            placements,
                            "1.." + PLACEMENTS_MAX);
                    check(count <= MEMBERS_MAX, "members", count, "0.." + MEMBERS_MAX);
                    List<Member> members = new ArrayList<>();
                    for (int i = 0; i < count; i++) {
                        members.add(Member.read(in, placements));
                    }
                    return new ClusterMap(cluster, epoch, copies, groupTokens, members);
                });
    }
}
