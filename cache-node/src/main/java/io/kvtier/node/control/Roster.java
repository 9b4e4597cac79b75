package io.kvtier.node.control;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * What the leader makes of the map and of what it has seen: a pure function from both to the next
 * map, if anything is to change.
 */
final class Roster {
    /* A change of shares puts the placement that held until then in front of the earlier ones, so
     * that readers go on asking those owners. The steps of a joining node are one change: whoever
     * owned a group before the first step or between two is the new node itself or an owner of the
     * placement before. Earlier placements are forgotten one by one, each after the settling time.
     */

    /** Steps in which a joining node takes over its share. */
    static final int RAMP_STEPS = 4;

    private final RosterOptions options;

    /**
     * What the leader has seen.
     *
     * @param heartbeats the last one of each node, with the time since
     * @param sinceLeading nanoseconds since it leads, or since it could last see anything
     * @param sinceChange nanoseconds since it sees this map
     * @param command what an operator wants
     */
    record Seen(
            Map<String, Sighting> heartbeats,
            long sinceLeading,
            long sinceChange,
            Optional<MemberCommand> command) {}

    /** The last word of a node, so long ago. */
    record Sighting(Heartbeat heartbeat, long nanosAgo) {}

    Roster(RosterOptions options) {
        this.options = options;
    }

    /** The map that should follow, of the next epoch; nothing when all is as it should be. */
    Optional<ClusterMap> next(ClusterMap map, Seen seen) {
        Map<String, Member> members = new TreeMap<>();
        map.members().forEach(member -> members.put(member.id(), member));
        boolean first = map.members().stream().noneMatch(Member::isReachable);
        seen.heartbeats()
                .forEach(
                        (id, sighting) -> {
                            if (isAlive(sighting)) {
                                appear(members, sighting.heartbeat(), map.placements(), first);
                            }
                        });
        members.replaceAll((id, member) -> judged(member, seen));
        seen.command().ifPresent(command -> obey(members, command));
        List<Member> judged = List.copyOf(members.values());
        boolean moves = !shares(map.members()).equals(shares(judged));
        List<Member> placed = moves ? withEarlier(map, judged) : judged;
        List<Member> after =
                placed.stream()
                        .map(member -> isRamping(member, seen) ? stepped(member) : member)
                        .toList();
        return after.equals(map.members()) ? settled(map, seen) : Optional.of(nextMap(map, after));
    }

    private boolean isAlive(Sighting sighting) {
        return !sighting.heartbeat().leaving() && sighting.nanosAgo() < options.timeout().toNanos();
    }

    /** A node that speaks is a member, reachable where it says. */
    private void appear(
            Map<String, Member> members, Heartbeat heartbeat, int placements, boolean first) {
        Member known = members.get(heartbeat.id());
        if (known == null) {
            boolean atOnce = first || options.ramp().isZero();
            int share = atOnce ? heartbeat.weight() : step(heartbeat.weight());
            List<Integer> shares = new ArrayList<>();
            shares.add(share);
            while (shares.size() < placements) {
                shares.add(0);
            }
            Member.State state = atOnce ? Member.State.UP : Member.State.JOINING;
            members.put(
                    heartbeat.id(),
                    new Member(
                            heartbeat.id(),
                            heartbeat.endpoint(),
                            heartbeat.zone(),
                            heartbeat.weight(),
                            state,
                            shares));
            return;
        }
        boolean back = known.state() == Member.State.DOWN;
        boolean whole = back || known.state() == Member.State.UP;
        List<Integer> shares = new ArrayList<>(known.shares());
        if (whole) {
            shares.set(0, heartbeat.weight());
        }
        Member.State state = back ? Member.State.UP : known.state();
        members.put(
                heartbeat.id(),
                new Member(
                        known.id(),
                        heartbeat.endpoint(),
                        heartbeat.zone(),
                        heartbeat.weight(),
                        state,
                        shares));
    }

    /** A node that is silent, or says that it leaves, is down. */
    private Member judged(Member member, Seen seen) {
        if (!member.isReachable()) {
            return member;
        }
        Sighting sighting = seen.heartbeats().get(member.id());
        boolean gone =
                sighting == null
                        ? seen.sinceLeading() > options.timeout().toNanos()
                        : !isAlive(sighting);
        return gone ? withShare(member.withState(Member.State.DOWN), 0) : member;
    }

    private static void obey(Map<String, Member> members, MemberCommand command) {
        Member member = members.get(command.id());
        if (member == null) {
            return;
        }
        switch (command.verb()) {
            case DRAIN -> {
                if (member.isReachable()) {
                    Member draining = member.withState(Member.State.DRAINING);
                    members.put(member.id(), withShare(draining, 0));
                }
            }
            case RESUME -> {
                if (member.state() == Member.State.DRAINING) {
                    Member up = member.withState(Member.State.UP);
                    members.put(member.id(), withShare(up, member.weight()));
                }
            }
            case FORGET -> {
                if (!member.isReachable()) {
                    members.remove(member.id());
                }
            }
        }
    }

    private boolean isRamping(Member member, Seen seen) {
        return member.state() == Member.State.JOINING
                && seen.sinceChange() >= options.ramp().dividedBy(RAMP_STEPS).toNanos();
    }

    private static Member stepped(Member member) {
        int share = Math.min(member.weight(), member.share() + step(member.weight()));
        Member larger = withShare(member, share);
        return share == member.weight() ? larger.withState(Member.State.UP) : larger;
    }

    private static int step(int weight) {
        return Math.max(1, weight / RAMP_STEPS);
    }

    private Optional<ClusterMap> settled(ClusterMap map, Seen seen) {
        if (map.placements() == 1 || seen.sinceChange() < options.settle().toNanos()) {
            return Optional.empty();
        }
        return Optional.of(
                nextMap(
                        map,
                        map.members().stream()
                                .map(
                                        member ->
                                                member.withShares(
                                                        member.shares()
                                                                .subList(0, map.placements() - 1)))
                                .toList()));
    }

    /** The new shares in front of those that held until now. */
    private static List<Member> withEarlier(ClusterMap map, List<Member> after) {
        List<Member> out = new ArrayList<>();
        int earlier = Math.min(map.placements(), ClusterMap.PLACEMENTS_MAX - 1);
        boolean any = map.members().stream().anyMatch(member -> member.share() > 0);
        for (Member member : after) {
            List<Integer> shares = new ArrayList<>();
            shares.add(member.share());
            Optional<Member> before = map.member(member.id());
            for (int i = 0; i < earlier && any; i++) {
                int placement = i;
                shares.add(before.map(known -> known.shares().get(placement)).orElse(0));
            }
            out.add(member.withShares(shares));
        }
        return out;
    }

    private static Member withShare(Member member, int share) {
        List<Integer> shares = new ArrayList<>(member.shares());
        shares.set(0, share);
        return member.withShares(shares);
    }

    private static Map<String, Integer> shares(List<Member> members) {
        Map<String, Integer> out = new TreeMap<>();
        members.stream()
                .filter(member -> member.share() > 0)
                .forEach(member -> out.put(member.id(), member.share()));
        return out;
    }

    private ClusterMap nextMap(ClusterMap map, List<Member> members) {
        List<Member> ordered = new ArrayList<>(members);
        ordered.sort(Comparator.comparing(Member::id));
        long cluster = map.epoch() == 0 ? options.newCluster() : map.cluster();
        return new ClusterMap(
                cluster, map.epoch() + 1, options.copies(), options.groupTokens(), ordered);
    }
}
