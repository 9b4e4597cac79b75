package io.kvtier.client.placement;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What placement promises, over many groups; each case prints its seed. */
class PlacementPropertyTest {
    private static final int GROUPS = 20_000;
    private static final int CASES = 8;

    @Test
    void owners_ofManyGroups_takeTheirPartOfTheShares() {
        for (long seed = 0; seed < CASES; seed++) {
            Random random = new Random(seed);
            List<Member> members = members(10, random);
            Placement placement = new Placement(map(1, members));
            int[] owned = new int[members.size()];
            for (int i = 0; i < GROUPS; i++) {
                owned[members.indexOf(placement.owners(group(random)).getFirst())]++;
            }
            double shares = members.stream().mapToInt(Member::share).sum();
            for (int i = 0; i < owned.length; i++) {
                double expected = members.get(i).share() / shares;
                assertThat((double) owned[i] / GROUPS)
                        .as("seed %d, part of %s", seed, members.get(i))
                        .isBetween(0.9 * expected - 0.002, 1.1 * expected + 0.002);
            }
        }
    }

    @Test
    void change_ofOneNode_movesNoMoreThanItsPartAndATenth() {
        for (long seed = 0; seed < CASES; seed++) {
            for (int copies = 1; copies <= 3; copies++) {
                Random random = new Random(seed);
                List<Member> all = members(10, random);
                Placement with = new Placement(map(copies, all));
                Placement without = new Placement(map(copies, all.subList(0, 9)));
                int moved = 0;
                int part = 0;
                for (int i = 0; i < GROUPS; i++) {
                    Digest group = group(random);
                    Set<Member> before = new HashSet<>(without.owners(group));
                    List<Member> after = with.owners(group);
                    before.retainAll(after);
                    moved += copies - before.size();
                    part += after.contains(all.getLast()) ? 1 : 0;
                }
                assertThat(moved)
                        .as("seed %d, %d copies: owners that change, of %d", seed, copies, part)
                        .isLessThanOrEqualTo((int) (1.1 * part));
                assertThat((double) part / GROUPS).as("seed %d, its part", seed).isGreaterThan(0);
            }
        }
    }

    @Test
    void join_atOneCopy_stillAsksWhomeverHeldTheGroup() {
        for (long seed = 0; seed < CASES; seed++) {
            Random random = new Random(seed);
            List<Member> before = members(5, random);
            Placement old = new Placement(map(1, before));
            List<Member> after = new ArrayList<>();
            before.forEach(m -> after.add(m.withShares(List.of(m.share(), m.share()))));
            after.add(Member.up("node-new", "h:1", "", 100).withShares(List.of(100, 0)));
            Placement fresh = new Placement(map(1, after));
            int moved = 0;
            for (int i = 0; i < GROUPS; i++) {
                Digest group = group(random);
                Member owner = old.owners(group).getFirst();
                moved += fresh.owners(group).getFirst().id().equals(owner.id()) ? 0 : 1;
                assertThat(fresh.readers(group))
                        .as("seed %d", seed)
                        .extracting(Member::id)
                        .contains(owner.id());
            }
            assertThat(moved).as("seed %d: groups that moved", seed).isPositive();
        }
    }

    @Test
    void owners_ofSeveralCopies_areDifferentAndInDifferentZones() {
        for (long seed = 0; seed < CASES; seed++) {
            Random random = new Random(seed);
            List<Member> members = new ArrayList<>();
            for (Member member : members(9, random)) {
                String zone = "zone-" + members.size() % 3;
                members.add(Member.up(member.id(), member.endpoint(), zone, member.weight()));
            }
            for (int copies = 1; copies <= 12; copies++) {
                Placement placement = new Placement(map(copies, members));
                List<Member> owners = placement.owners(group(random));
                assertThat(owners).as("seed %d", seed).doesNotHaveDuplicates();
                assertThat(owners).as("seed %d", seed).hasSize(Math.min(copies, 9));
                assertThat(owners.subList(0, Math.min(copies, 3)))
                        .as("seed %d, %d copies", seed, copies)
                        .extracting(Member::zone)
                        .doesNotHaveDuplicates();
            }
        }
    }

    @Test
    void readers_leaveOutNodesThatAreDown() {
        List<Member> members = new ArrayList<>(members(3, new Random(1)));
        Member dead = members.get(1).withState(Member.State.DOWN);
        members.set(1, dead);
        Placement placement = new Placement(map(3, members));
        assertThat(placement.readers(group(new Random(2)))).doesNotContain(dead).hasSize(2);
    }

    @Test
    void owners_withoutMembers_areNone() {
        assertThat(new Placement(map(2, List.of())).owners(group(new Random(1)))).isEmpty();
    }

    @Test
    void groups_ofAChain_growThenHaveFullSizeAndTileIt() {
        assertThat(PrefixGroup.of(26, 8))
                .containsExactly(
                        new PrefixGroup(0, 1),
                        new PrefixGroup(1, 2),
                        new PrefixGroup(2, 4),
                        new PrefixGroup(4, 8),
                        new PrefixGroup(8, 16),
                        new PrefixGroup(16, 24),
                        new PrefixGroup(24, 26));
        assertThat(PrefixGroup.of(0, 8)).isEmpty();
        for (int size = 1; size <= 12; size++) {
            int chunksMax = size;
            List<PrefixGroup> groups = PrefixGroup.of(100, chunksMax);
            assertThat(groups.stream().mapToInt(PrefixGroup::chunks).sum()).isEqualTo(100);
            assertThat(groups).allMatch(each -> each.chunks() <= chunksMax);
            for (PrefixGroup group : groups) {
                assertThat(IntStream.range(group.from(), group.to()))
                        .allMatch(chunk -> PrefixGroup.start(chunk, chunksMax) == group.from());
            }
        }
    }

    @Test
    void cost_isTheLogarithm() {
        Random random = new Random(3);
        for (int i = 0; i < 1000; i++) {
            long hash = random.nextLong();
            double u = (double) (hash >>> 11) / (1L << 53);
            double expected = -Math.log(u) / Math.log(2);
            assertThat(Placement.cost(hash) / (double) (1L << 32))
                    .isCloseTo(expected, org.assertj.core.data.Offset.offset(1e-6));
        }
        assertThat(Placement.cost(-1)).isPositive();
        assertThat(Placement.cost(0)).isEqualTo(64L << 32);
    }

    static Digest group(Random random) {
        byte[] bytes = new byte[Digest.BYTES];
        random.nextBytes(bytes);
        return Digest.read(ByteBuffer.wrap(bytes));
    }

    static ClusterMap map(int copies, List<Member> members) {
        return new ClusterMap(1, 1, copies, 2048, members);
    }

    private static List<Member> members(int count, Random random) {
        return IntStream.range(0, count)
                .mapToObj(i -> Member.up("node-" + i, "h:1", "", 50 + random.nextInt(100)))
                .toList();
    }
}
