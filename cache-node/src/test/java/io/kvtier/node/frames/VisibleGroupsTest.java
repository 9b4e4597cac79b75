package io.kvtier.node.frames;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.codec.identity.Dtype;
import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.identity.Rope;
import io.kvtier.codec.profile.DataFree;
import java.util.List;
import org.junit.jupiter.api.Test;

class VisibleGroupsTest {
    private static final int WIDTH = 32;

    /** Layer 0 sees everything, layer 1 the last 512 tokens, layer 2 the last 513. */
    private static final Geometry GEOMETRY =
            new Geometry(
                    2,
                    1,
                    16,
                    16,
                    Dtype.F16,
                    Geometry.Kind.ATTENTION,
                    0,
                    List.of(Rope.rotateHalf(16, 10_000)),
                    List.of(0, 0, 0),
                    List.of(0, 1, 2),
                    List.of(-1, 512, 513));

    @Test
    void chunksBeforeTheWindow_areHiddenInItsLayers() {
        assertThat(visible(256, 1024)).isEqualTo(new VisibleGroups(List.of(1, 2), 256 * WIDTH));
        assertThat(visible(768, 1024)).isEqualTo(new VisibleGroups(List.of(), 256 * 3 * WIDTH));
    }

    @Test
    void lastTokenOfAChunk_isSeenByTheQueryAWindowLater() {
        // The query at 1023 sees 512 tokens with itself: 512 and later ones; or 511 with one more.
        assertThat(visible(512, 1022).hidden()).isEmpty();
        assertThat(visible(512, 1023).hidden()).containsExactly(1);
        assertThat(visible(512, 1024).hidden()).containsExactly(1, 2);
    }

    private static VisibleGroups visible(int end, int position) {
        return VisibleGroups.of(DataFree.of(GEOMETRY), GEOMETRY, end, 256, position);
    }
}
