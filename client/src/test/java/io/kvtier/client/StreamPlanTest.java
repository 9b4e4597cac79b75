package io.kvtier.client;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.client.StreamPlan.UnderWay;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.frame.Span;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.plan.ExecutionModel;
import io.kvtier.codec.plan.Importance;
import io.kvtier.codec.plan.PartSet;
import io.kvtier.codec.plan.Plan;
import io.kvtier.codec.plan.Plan.Limit;
import io.kvtier.codec.plan.Recompute;
import io.kvtier.codec.wire.ChunkDirectory;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** When a stream begins, goes on, takes back and gives up, in virtual time. */
class StreamPlanTest {
    private static final long MILLI = 1_000_000;
    private static final int CHUNKS = 4;
    private static final int CHUNK_TOKENS = 256;
    private static final int PROMPT = CHUNKS * CHUNK_TOKENS;
    private static final long BASE_BYTES = 100_000;
    private static final PartSet BASE = new PartSet(1);

    private long now;
    private final GoodputEstimator estimator = new GoodputEstimator(10e6);

    private StreamPlan plan(StreamOptions options) {
        return new StreamPlan(estimator, options, PROMPT, () -> now);
    }

    /** A stream that has begun, with all bases to be asked for. */
    private StreamPlan begun(StreamOptions options) {
        StreamPlan plan = plan(options);
        List<StreamedChunk> fresh = chunks(0, PartSet.NONE, 0);
        assertThat(plan.current(() -> fresh, UnderWay.NOTHING, 10_000 * MILLI).chunks())
                .isEqualTo(CHUNKS);
        return plan;
    }

    /** Chunks with a base and a refinement; the first ones asked for, of those some are here. */
    private static List<StreamedChunk> chunks(int requested, PartSet of, int arrived) {
        List<StreamedChunk> out = new ArrayList<>();
        for (int i = 0; i < CHUNKS; i++) {
            List<ChunkDirectory.Entry> parts =
                    List.of(
                            new ChunkDirectory.Entry(Part.BASE, BASE_BYTES, 900, 100),
                            new ChunkDirectory.Entry(new Part(1, Span.ALL), 200_000, 100, 11));
            ChunkDirectory directory =
                    new ChunkDirectory(
                            Digest.ZERO, 0, i * CHUNK_TOKENS, CHUNK_TOKENS, 32, 2, parts);
            out.add(
                    new StreamedChunk(
                            directory,
                            i < requested ? of : PartSet.NONE,
                            i < arrived ? BASE : PartSet.NONE,
                            Importance.FAR));
        }
        return out;
    }

    /** Prefill that needs so long for all chunks. */
    private static StreamOptions computingTakes(long millis) {
        return StreamOptions.defaults().withRecompute(Recompute.at(PROMPT * 1e3 / millis));
    }

    @Test
    void current_computingIsFaster_asksForNothing() {
        StreamPlan plan = plan(computingTakes(5));
        List<StreamedChunk> fresh = chunks(0, PartSet.NONE, 0);
        Plan made = plan.current(() -> fresh, UnderWay.NOTHING, 10_000 * MILLI);
        assertThat(made.limit()).isEqualTo(Limit.SLOWER);
        assertThat(made.bytes()).isZero();
        assertThat(plan.computeNanos()).isEqualTo(5 * MILLI);
    }

    @Test
    void current_costOfComputingIsUnknown_asksForAllThatFits() {
        StreamPlan plan = plan(StreamOptions.defaults());
        List<StreamedChunk> fresh = chunks(0, PartSet.NONE, 0);
        Plan made = plan.current(() -> fresh, UnderWay.NOTHING, 10_000 * MILLI);
        assertThat(made.limit()).isEqualTo(Limit.NONE);
        assertThat(plan.computeNanos()).isZero();
    }

    @Test
    void current_tenthOfComputingGoneWithoutAChunk_isStalled() {
        StreamPlan plan = begun(computingTakes(1000));
        List<StreamedChunk> asked = chunks(CHUNKS, BASE, 0);
        UnderWay all = new UnderWay(CHUNKS * BASE_BYTES, 0);
        now = 99 * MILLI - 40 * MILLI;
        assertThat(plan.current(() -> asked, all, 10_000 * MILLI).isRecompute()).isFalse();
        now = 101 * MILLI;
        assertThat(plan.current(() -> asked, all, 10_000 * MILLI).limit()).isEqualTo(Limit.STALLED);
    }

    @Test
    void current_tenthOfComputingGoneWithAChunk_goesOn() {
        StreamPlan plan = begun(computingTakes(1000));
        List<StreamedChunk> asked = chunks(CHUNKS, BASE, 1);
        now = 101 * MILLI;
        Plan made = plan.current(() -> asked, new UnderWay(3 * BASE_BYTES, 0), 10_000 * MILLI);
        assertThat(made.chunks()).isEqualTo(CHUNKS);
    }

    @Test
    void current_projectedFinishPassesComputing_keepsWhatIsHereAndTakesBackTheRest() {
        StreamPlan plan = begun(computingTakes(1000));
        estimator.hint(10_000); // the link is 1000 times slower than believed
        List<StreamedChunk> asked = chunks(CHUNKS, BASE, 2);
        now = 50 * MILLI;
        Plan made = plan.current(() -> asked, new UnderWay(2 * BASE_BYTES, 0), 10_000 * MILLI);
        assertThat(plan.startsFromWhatIsHere()).isTrue();
        assertThat(made.chunks()).isEqualTo(2);
        assertThat(made.bytes()).isZero();
        assertThat(plan.wants(2, 0, 1)).isFalse();
    }

    @Test
    void current_linkFellWithRefinementsUnderWay_takesThemBackForMissingChunks() {
        StreamPlan plan = plan(StreamOptions.defaults());
        List<StreamedChunk> asked = chunks(3, new PartSet(3), 3);
        estimator.hint(1_000_000); // 800 kB a second
        Plan made = plan.current(() -> asked, new UnderWay(600_000, 0), 200 * MILLI);
        assertThat(plan.startsFromWhatIsHere()).isTrue();
        assertThat(made.steps()).extracting(Plan.Step::chunk).containsExactly(3);
        assertThat(plan.wants(0, 1, 2)).isFalse();
    }

    @Test
    void current_baseIsLateAndComputingUnknown_goesOnWaiting() {
        StreamPlan plan = plan(StreamOptions.defaults());
        List<StreamedChunk> asked = chunks(CHUNKS, BASE, 3);
        estimator.hint(10_000);
        Plan _ = plan.current(() -> asked, new UnderWay(BASE_BYTES, 0), 100 * MILLI);
        assertThat(plan.wants(3, 0, 1)).isTrue();
    }

    @Test
    void current_mostOfARequestIsHere_countsOnlyTheRest() {
        StreamPlan plan = begun(computingTakes(1000));
        estimator.hint(100_000); // 80 kB a second: all of the last base would take 1.25 s
        List<StreamedChunk> asked = chunks(CHUNKS, BASE, 3);
        now = 900 * MILLI;
        Plan made = plan.current(() -> asked, new UnderWay(2_000, 98_000), 10_000 * MILLI);
        assertThat(made.chunks()).isEqualTo(CHUNKS);
        assertThat(plan.wants(3, 0, 1)).isTrue();
    }

    @Test
    void current_bidirectional_beginsAtTheEndAndComputesFromTheFront() {
        StreamOptions back = computingTakes(100).withModel(new ExecutionModel.Bidirectional());
        List<StreamedChunk> fresh = chunks(0, PartSet.NONE, 0);
        estimator.hint(5_000_000); // 4 MB a second: two bases in 50 ms
        Plan made = plan(back).current(() -> fresh, UnderWay.NOTHING, 55 * MILLI);
        assertThat(made.steps()).extracting(Plan.Step::chunk).startsWith(3, 2).doesNotContain(0);
    }
}
