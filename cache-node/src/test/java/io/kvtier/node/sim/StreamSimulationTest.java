package io.kvtier.node.sim;

import static org.assertj.core.api.Assertions.assertThat;

import io.kvtier.node.sim.BandwidthTrace.Step;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the client's plan, pace and estimator are worth, on links that no code was tuned on. */
class StreamSimulationTest {
    private static final long SECOND = 1_000_000_000;

    private static StreamCase over(int chunks, long roundTrip, Step... steps) {
        BandwidthTrace trace = new BandwidthTrace("t", List.of(steps));
        return new StreamCase(trace, SECOND, roundTrip, 0, ChunkShape.SMOLLM2.chunks(chunks));
    }

    private static PolicySummary of(List<PolicySummary> summaries, String policy) {
        return summaries.stream()
                .filter(each -> each.policy().equals(policy))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void kvtier_freshSeeds_meetsWhatCanBeMetNearTheOptimumAndBeatsCacheGensRule() {
        StreamSimulation simulation = StreamSimulation.of(StreamSimulation.seeded(9001, 9300));
        List<PolicySummary> all = simulation.summaries();
        PolicySummary kvtier = of(all, "kvtier");
        assertThat(kvtier.streams()).isGreaterThanOrEqualTo(200);
        assertThat(kvtier.metShare()).isGreaterThanOrEqualTo(0.99);
        assertThat(kvtier.medianRatio()).isBetween(1.0, 1.1);
        assertThat(kvtier.tightRatio()).isBetween(1.0, 1.1);
        for (String rule : List.of("cachegen-oracle", "cachegen-last", "cachegen-paper")) {
            assertThat(of(all, rule).metShare()).as(rule).isLessThan(kvtier.metShare());
            assertThat(of(all, rule).tightRatio()).as(rule).isGreaterThan(kvtier.tightRatio());
        }
    }

    @Test
    void kvtier_steadyLink_wastesLittleOfIt() {
        StreamCase request = over(8, 20_000_000, new Step(0, 15));
        PolicyScore score = new KvtierPolicy().run(request);
        PolicyScore best = new Optimum().run(request);
        assertThat(score.met()).isTrue();
        assertThat(score.bytes()).isGreaterThan(best.bytes() * 19 / 20);
    }

    @Test
    void kvtier_linkTooSlowForAllChunks_isMissedAndStillReceives() {
        PolicyScore score = new KvtierPolicy().run(over(8, 0, new Step(0, 8)));
        assertThat(score.met()).isFalse();
        assertThat(score.distortion()).isNaN();
        assertThat(score.bytes()).isBetween(700_000L, 1_000_000L);
    }

    @Test
    void cacheGen_unevenLink_doesNotPassOnWhatAChunkDidNotUse() {
        // Twice as fast in the second half: even shares of the deadline are not enough for the
        // first chunks and too much for the last ones.
        StreamCase request = over(8, 0, new Step(0, 10), new Step(500, 60));
        PolicyScore rule = new CacheGenRule(CacheGenRule.Rate.ORACLE, false).run(request);
        PolicyScore kvtier = new KvtierPolicy().run(request);
        assertThat(rule.met()).isTrue();
        assertThat(rule.bytes()).isLessThan(kvtier.bytes());
        assertThat(rule.distortion()).isGreaterThan(kvtier.distortion());
    }

    @Test
    void json_missedDeadline_hasNoDistortion() {
        StreamSimulation simulation = StreamSimulation.of(List.of(over(8, 0, new Step(0, 8))));
        assertThat(PolicyScore.json(simulation.scores()))
                .startsWith("[{\"trace\":\"t\",\"deadlineMs\":1000.0,\"policy\":\"optimum\"")
                .contains("\"met\":false,\"distortion\":null");
        assertThat(StreamPicture.draw(simulation)).contains("kvtier").endsWith("</svg>\n");
    }
}
