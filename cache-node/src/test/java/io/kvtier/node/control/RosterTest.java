package io.kvtier.node.control;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Heartbeat;
import io.kvtier.codec.wire.Member;
import io.kvtier.codec.wire.MemberCommand;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** What a leader makes of what it sees; time is what the test says. */
class RosterTest {
    private static final long SECOND = 1_000_000_000L;
    private static final ClusterMap EMPTY = new ClusterMap(0, 0, 2, 2048, List.of());

    private final Roster roster = roster(Duration.ofSeconds(40));
    private final Map<String, Roster.Sighting> seen = new HashMap<>();

    @Test
    void firstNodes_areUpAtOnceAndNameTheCluster() {
        speaks("a");
        speaks("b");
        ClusterMap map = next(EMPTY, 0);
        assertThat(map.epoch()).isEqualTo(1);
        assertThat(map.cluster()).isEqualTo(7);
        assertThat(map.members()).containsExactly(up("a", 100), up("b", 100));
        assertThat(roster.next(map, seen(1, Optional.empty()))).isEmpty();
    }

    @Test
    void laterNode_joinsInStepsWhileReadersAskTheEarlierOwners() {
        ClusterMap map = twoNodes();
        speaks("c");
        map = next(map, 0);
        assertThat(map.member("c").orElseThrow())
                .isEqualTo(member("c", Member.State.JOINING, 25, 0));
        assertThat(map.member("a").orElseThrow()).isEqualTo(member("a", Member.State.UP, 100, 100));
        assertThat(roster.next(map, seen(9, Optional.empty()))).as("before its time").isEmpty();
        for (int share = 50; share < 100; share += 25) {
            map = next(map, 10);
            assertThat(map.member("c").orElseThrow())
                    .isEqualTo(member("c", Member.State.JOINING, share, 0));
        }
        map = next(map, 10);
        assertThat(map.member("c").orElseThrow()).isEqualTo(member("c", Member.State.UP, 100, 0));
        assertThat(roster.next(map, seen(599, Optional.empty()))).isEmpty();
        map = next(map, 600);
        assertThat(map.members()).extracting(Member::shares).containsOnly(List.of(100));
    }

    @Test
    void silentNode_isDownThenUpAgainWithWhatItHad() {
        ClusterMap map = twoNodes();
        seen.put("b", new Roster.Sighting(heartbeat("b", false), 3 * SECOND));
        map = next(map, 0);
        assertThat(map.member("b").orElseThrow()).isEqualTo(member("b", Member.State.DOWN, 0, 100));
        speaks("b");
        map = next(map, 0);
        assertThat(map.member("b").orElseThrow())
                .isEqualTo(member("b", Member.State.UP, 100, 0, 100));
    }

    @Test
    void nodeThatLeaves_isDownAtOnce() {
        ClusterMap map = twoNodes();
        seen.put("b", new Roster.Sighting(heartbeat("b", true), 0));
        assertThat(next(map, 0).member("b").orElseThrow().state()).isEqualTo(Member.State.DOWN);
    }

    @Test
    void newLeader_givesEveryoneTheTimeToSpeak() {
        ClusterMap map = twoNodes();
        seen.clear();
        assertThat(roster.next(map, seen(2, Optional.empty()))).isEmpty();
        ClusterMap after = roster.next(map, seen(4, Optional.empty())).orElseThrow();
        assertThat(after.members()).extracting(Member::state).containsOnly(Member.State.DOWN);
    }

    @Test
    void drained_resumedAndForgotten() {
        ClusterMap map = twoNodes();
        map = obey(map, MemberCommand.Verb.DRAIN, "b");
        assertThat(map.member("b").orElseThrow())
                .isEqualTo(member("b", Member.State.DRAINING, 0, 100));
        assertThat(roster.next(map, seen(1, Optional.empty()))).as("stays so").isEmpty();
        ClusterMap resumed = obey(map, MemberCommand.Verb.RESUME, "b");
        assertThat(resumed.member("b").orElseThrow().share()).isEqualTo(100);
        seen.remove("b");
        map = next(map, 4);
        assertThat(map.member("b").orElseThrow().state()).isEqualTo(Member.State.DOWN);
        map = obey(map, MemberCommand.Verb.FORGET, "b");
        assertThat(map.members()).extracting(Member::id).containsExactly("a");
    }

    @Test
    void nodeWithAnotherAddress_isTheSameMember() {
        ClusterMap map = twoNodes();
        seen.put(
                "a",
                new Roster.Sighting(
                        new Heartbeat(7, map.epoch(), false, "a", "h2:2", "z", 200), 0));
        Member moved = next(map, 0).member("a").orElseThrow();
        assertThat(moved.endpoint()).isEqualTo("h2:2");
        assertThat(moved.zone()).isEqualTo("z");
        assertThat(moved.shares()).containsExactly(200, 100);
    }

    @Test
    void everyMap_isOfTheNextEpochWithFewPlacements() {
        ClusterMap map = twoNodes();
        for (int i = 0; i < 20; i++) {
            long epoch = map.epoch();
            seen.put("b", new Roster.Sighting(heartbeat("b", i % 2 == 0), 0));
            map = next(map, 0);
            assertThat(map.epoch()).isEqualTo(epoch + 1);
            assertThat(map.placements()).isLessThanOrEqualTo(ClusterMap.PLACEMENTS_MAX);
        }
    }

    private static Roster roster(Duration ramp) {
        return new Roster(
                new RosterOptions(2, 2048, Duration.ofSeconds(3), ramp, Duration.ofMinutes(10), 7));
    }

    private ClusterMap twoNodes() {
        speaks("a");
        speaks("b");
        return next(EMPTY, 0);
    }

    private void speaks(String id) {
        seen.put(id, new Roster.Sighting(heartbeat(id, false), 0));
    }

    private static Heartbeat heartbeat(String id, boolean leaving) {
        return new Heartbeat(0, 0, leaving, id, "h:1", "", 100);
    }

    private ClusterMap next(ClusterMap map, long secondsSinceChange) {
        return roster.next(map, seen(secondsSinceChange, Optional.empty())).orElseThrow();
    }

    private ClusterMap obey(ClusterMap map, MemberCommand.Verb verb, String id) {
        return roster.next(map, seen(0, Optional.of(new MemberCommand(verb, id)))).orElseThrow();
    }

    private Roster.Seen seen(long seconds, Optional<MemberCommand> command) {
        return new Roster.Seen(Map.copyOf(seen), seconds * SECOND, seconds * SECOND, command);
    }

    private static Member up(String id, int share) {
        return member(id, Member.State.UP, share);
    }

    private static Member member(String id, Member.State state, Integer... shares) {
        return new Member(id, "h:1", "", 100, state, List.of(shares));
    }
}
