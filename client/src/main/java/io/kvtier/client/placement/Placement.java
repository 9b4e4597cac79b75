package io.kvtier.client.placement;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.IntStream;

/**
 * The owners of prefix groups by a cluster map: weighted rendezvous hashing, copies in different
 * zones where there are several.
 *
 * <p>Each node draws a number u in (0, 1) for each group, by hashing both; the owners are those of
 * the smallest −log₂(u) / share. So a node's part of all groups is its part of all shares, and a
 * change of one share moves groups to or from that node alone (Thaler and Ravishankar, 1998; with
 * weights Schindelhauer and Schomaker, SPAA 2005).
 *
 * <p>Thread-safety: immutable.
 */
public final class Placement {
    private static final int FRACTION_BITS = 32;

    private final ClusterMap map;
    private final long[] seeds;

    /** A node with its cost for one group. */
    private record Bid(Member member, long cost, int share) {
        /** By cost / share, exactly; nobody meets the tie that the id breaks. */
        static final Comparator<Bid> ORDER =
                ((Comparator<Bid>) (a, b) -> Long.compare(a.cost * b.share, b.cost * a.share))
                        .thenComparing(bid -> bid.member.id());
    }

    /** The placements of a map. */
    public Placement(ClusterMap map) {
        this.map = map;
        this.seeds =
                map.members().stream()
                        .map(member -> member.id().getBytes(StandardCharsets.UTF_8))
                        .mapToLong(id -> Digest.sha256(id).a())
                        .toArray();
    }

    /** The map that this is made from. */
    public ClusterMap map() {
        return map;
    }

    /** Owners of a group, the first one first; fewer than the map's copies if nodes are. */
    public List<Member> owners(Digest group) {
        return owners(group, map.copies());
    }

    /** The first owners of a group, as many as asked for or as there are. */
    public List<Member> owners(Digest group, int copies) {
        return owners(group, copies, 0);
    }

    /**
     * Whom to ask for a group: its owners, then those of the earlier placements that the map still
     * tells; nodes that are down left out.
     */
    public List<Member> readers(Digest group) {
        Set<Member> out = new LinkedHashSet<>();
        for (int placement = 0; placement < map.placements(); placement++) {
            out.addAll(owners(group, map.copies(), placement));
        }
        return out.stream().filter(Member::isReachable).toList();
    }

    private List<Member> owners(Digest group, int copies, int placement) {
        List<Bid> bids = bids(group, placement);
        bids.sort(Bid.ORDER);
        List<Member> chosen = new ArrayList<>(copies);
        Set<String> zones = new HashSet<>();
        for (Bid bid : bids) {
            if (chosen.size() < copies && zones.add(bid.member().zone())) {
                chosen.add(bid.member());
            }
        }
        for (Bid bid : bids) { // more copies than zones
            if (chosen.size() < copies && !chosen.contains(bid.member())) {
                chosen.add(bid.member());
            }
        }
        return chosen;
    }

    private List<Bid> bids(Digest group, int placement) {
        List<Member> members = map.members();
        return new ArrayList<>(
                IntStream.range(0, members.size())
                        .filter(i -> members.get(i).shares().get(placement) > 0)
                        .mapToObj(
                                i ->
                                        new Bid(
                                                members.get(i),
                                                cost(mix(group.a() ^ seeds[i])),
                                                members.get(i).shares().get(placement)))
                        .toList());
    }

    /** A bijection of 64 bits that leaves no trace of its input: the finalizer of SplitMix64. */
    private static long mix(long x) {
        long z = (x ^ (x >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /**
     * −log₂(hash / 2^64) with 32 bits of fraction: digit by digit, by squaring, so that no
     * platform's logarithm decides who owns what. At most 2^38, at least 1.
     */
    static long cost(long hash) {
        long odd = hash | 1;
        int zeros = Long.numberOfLeadingZeros(odd);
        long mantissa = odd << zeros; // in [1, 2), with 63 bits of fraction
        long log = 63L - zeros;
        for (int i = 0; i < FRACTION_BITS; i++) {
            long square = Math.unsignedMultiplyHigh(mantissa, mantissa);
            log <<= 1;
            if (square < 0) { // in [2, 4)
                log |= 1;
                mantissa = square;
            } else {
                mantissa = square << 1;
            }
        }
        return (64L << FRACTION_BITS) - log;
    }
}
