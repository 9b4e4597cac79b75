package io.kvtier.client.placement;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.wire.ClusterMap;
import io.kvtier.codec.wire.Member;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** Owners and readers of some groups by some maps, which Python computes alike. */
class PlacementVectorTest {
    private static final Path FILE =
            Path.of("src", "test", "resources", "vectors", "placement.txt");

    @Test
    void placements_areThese() throws IOException {
        List<String> lines = new ArrayList<>();
        Random random = new Random(7);
        for (int nodes : new int[] {1, 2, 3, 10, 40}) {
            ClusterMap map = map(nodes, random);
            lines.add("map " + HexFormat.of().formatHex(map.toBytes()));
            Placement placement = new Placement(map);
            for (int i = 0; i < 50; i++) {
                Digest group = PlacementPropertyTest.group(random);
                lines.add(
                        "%s owners %s readers %s"
                                .formatted(
                                        group,
                                        ids(placement.owners(group)),
                                        ids(placement.readers(group))));
            }
        }
        for (int chunks : new int[] {1, 5, 40, 200}) {
            lines.add(
                    "groups "
                            + PrefixGroup.of(chunks, 8).stream()
                                    .map(group -> group.from() + "-" + group.to())
                                    .collect(Collectors.joining(",")));
        }
        byte[] text = (String.join("\n", lines) + "\n").getBytes(UTF_8);
        if (Boolean.getBoolean("kvtier.vectors.write")) {
            Files.write(FILE, text);
        }
        assertThat(Files.readAllBytes(FILE))
                .as("placement changed; if it should, -Dkvtier.vectors.write=true makes %s", FILE)
                .isEqualTo(text);
    }

    private static ClusterMap map(int nodes, Random random) {
        List<Member> members = new ArrayList<>();
        for (int i = 0; i < nodes; i++) {
            Member.State state = Member.State.values()[i == 0 ? 1 : random.nextInt(4)];
            int weight = 1 + random.nextInt(200);
            boolean serves = state == Member.State.JOINING || state == Member.State.UP;
            List<Integer> shares = List.of(serves ? weight : 0, random.nextBoolean() ? weight : 0);
            String zone = nodes > 3 ? "zone-" + random.nextInt(4) : "";
            String id = "node-%03d".formatted(i);
            members.add(new Member(id, "10.0.0.1:" + (7000 + i), zone, weight, state, shares));
        }
        return new ClusterMap(9, nodes, 1 + nodes / 3, 2048, members);
    }

    private static String ids(List<Member> members) {
        return members.stream().map(Member::id).collect(Collectors.joining(","));
    }
}
