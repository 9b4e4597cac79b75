package io.kvtier.node.frames;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.SegmentEntry;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.profile.Level;
import java.util.List;
import org.junit.jupiter.api.Test;

class LevelRequestTest {
    private static final List<Part> PARTS =
            List.of(
                    Part.BASE,
                    new Part(1, Span.TAIL),
                    new Part(2, Span.TAIL),
                    new Part(1, Span.HEAD));

    @Test
    void recent_asksFarChunksForTheBaseAndTheLastForEverything() {
        LevelRequest recent = LevelRequest.of(List.of(), "recent");
        assertThat(parts(recent, 0, 3)).containsExactly(0);
        assertThat(parts(recent, 1, 3)).containsExactly(0);
        assertThat(parts(recent, 2, 3)).containsExactly(0, 1, 2, 3);
    }

    @Test
    void best_asksFarChunksForTheFirstRungOfHeadAndTail() {
        LevelRequest best = LevelRequest.of(List.of(), "best");
        assertThat(parts(best, 0, 2)).containsExactly(0, 1, 3);
        assertThat(parts(best, 1, 2)).containsExactly(0, 1, 2, 3);
    }

    @Test
    void tail_asksTheLastChunkForTheTailAlone() {
        assertThat(parts(LevelRequest.of(List.of(), "tail"), 0, 1)).containsExactly(0, 1, 2);
    }

    @Test
    void withoutRecency_everyChunkIsFar() {
        LevelRequest recent = LevelRequest.of(List.of(), "recent").withoutRecency();
        assertThat(parts(recent, 2, 3)).containsExactly(0);
    }

    @Test
    void everything_asksForEachPart() {
        assertThat(parts(LevelRequest.everything(), 0, 9)).containsExactly(0, 1, 2, 3);
    }

    @Test
    void ofProfile_itsOwnLevelsCount() {
        List<Level> own = List.of(new Level("mine", 0, 0, 1, List.of(), 1, 0, 0, 0, 0));
        assertThat(LevelRequest.of(own, "mine").last()).isEqualTo(ChunkRequest.of(new Grade(0, 1)));
        assertThatThrownBy(() -> LevelRequest.of(own, "recent"))
                .isInstanceOf(InvalidRequestException.class)
                .hasMessage("level is 'recent', expected one of the profile's [mine]");
    }

    @Test
    void farGroups_headsOfTheOthersStayOneRungLower() {
        List<Level> own = List.of(new Level("some", 1, 1, 2, List.of(2, 5), 1, 0, 0, 0, 0));
        LevelRequest request = LevelRequest.of(own, "some");
        ChunkRequest far = request.chunk(0, 2);
        assertThat(parts(far, segment(0, 2))).containsExactly(0, 1);
        assertThat(parts(far, segment(0, 3))).containsExactly(0, 1, 3);
        assertThat(parts(far, segment(5, 1))).containsExactly(0, 1, 3);
        assertThat(parts(far, segment(6, 4))).containsExactly(0, 1);
        assertThat(parts(request.chunk(1, 2), segment(6, 4))).containsExactly(0, 1, 2, 3);
        assertThat(request.withoutRecency().chunk(1, 2)).isEqualTo(far);
    }

    @Test
    void without_segmentsOfHiddenGroupsAloneAreLeftOut() {
        List<Level> own = List.of(new Level("some", 1, 1, 2, List.of(2, 5), 1, 0, 0, 0, 0));
        ChunkRequest far = LevelRequest.of(own, "some").chunk(0, 2).without(List.of(0, 1, 2));
        assertThat(parts(far, segment(0, 3))).isEmpty();
        assertThat(parts(far, segment(1, 3))).containsExactly(0, 1);
        assertThat(parts(far, segment(2, 4))).containsExactly(0, 1, 3);
        assertThat(parts(far, segment(3, 1))).containsExactly(0, 1);
    }

    private static List<Integer> parts(LevelRequest request, int index, int count) {
        return parts(request.chunk(index, count), segment(0, 1));
    }

    private static List<Integer> parts(ChunkRequest request, SegmentEntry segment) {
        return PARTS.stream()
                .filter(part -> request.uses(part, segment))
                .map(PARTS::indexOf)
                .toList();
    }

    private static SegmentEntry segment(int firstLayerGroup, int layerGroups) {
        return new SegmentEntry(firstLayerGroup, layerGroups, 0, 0, 1, 0, 0, 0);
    }
}
