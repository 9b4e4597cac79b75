package io.kvtier.codec.method.survey;

import static io.kvtier.codec.method.Method.chain;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.Policy;
import io.kvtier.codec.method.Stage;
import io.kvtier.codec.method.policy.Policies;
import io.kvtier.codec.method.stage.AnchorDelta;
import io.kvtier.codec.method.stage.BlockPca;
import io.kvtier.codec.method.stage.CenterChannels;
import io.kvtier.codec.method.stage.ChannelRans;
import io.kvtier.codec.method.stage.Deflate;
import io.kvtier.codec.method.stage.DropTokens;
import io.kvtier.codec.method.stage.FlattenChannels;
import io.kvtier.codec.method.stage.GaussianRans;
import io.kvtier.codec.method.stage.GroupQuant;
import io.kvtier.codec.method.stage.GroupQuant.Axis;
import io.kvtier.codec.method.stage.GroupSvd;
import io.kvtier.codec.method.stage.Halves;
import io.kvtier.codec.method.stage.LayerPca;
import io.kvtier.codec.method.stage.LloydMax;
import io.kvtier.codec.method.stage.MeanValues;
import io.kvtier.codec.method.stage.MergeHeads;
import io.kvtier.codec.method.stage.PackBits;
import io.kvtier.codec.method.stage.PcaBasis;
import io.kvtier.codec.method.stage.PlaneQuant;
import io.kvtier.codec.method.stage.ProductQuant;
import io.kvtier.codec.method.stage.PruneChannels;
import io.kvtier.codec.method.stage.RateQuant;
import io.kvtier.codec.method.stage.Residual;
import io.kvtier.codec.method.stage.ResidualSummary;
import io.kvtier.codec.method.stage.RotateHadamard;
import io.kvtier.codec.method.stage.ShareLayers;
import io.kvtier.codec.method.stage.SlerpLayers;
import io.kvtier.codec.method.stage.SplitRaw;
import io.kvtier.codec.method.stage.TokenQuant;
import io.kvtier.codec.method.stage.UndoRope;
import io.kvtier.codec.method.stage.UniformStep;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The survey's methods as their papers or public code have them: one line a method and rate. */
public final class SurveyMethods {
    private static final int SINKS = 4;
    private static final int TAIL = 32;

    /** The share of the tokens, of FlexGen's values, that policies which drop keep. */
    private static final double HALF = 0.5;

    private static final Stage PACK = new PackBits();

    private SurveyMethods() {}

    /** All methods that a cache of this shape allows and that need nothing of its model. */
    public static List<Method> all(Geometry geometry, int window) {
        List<Method> out = new ArrayList<>(stages(geometry));
        out.addAll(policies(window));
        return List.copyOf(out);
    }

    /** Those that only say how bits are spent. */
    public static List<Method> stages(Geometry geometry) {
        int dim = geometry.keyDim();
        int half = geometry.storedLayers().size() / 2;
        Stage anchors = new AnchorDelta(10);
        Stage slerp = new SlerpLayers(half, 0.6, 0.05);
        Stage heads = new MergeHeads(Math.max(2, geometry.kvHeads()));
        Stage unrope = new UndoRope();
        Stage svd = new GroupSvd(4, 96);
        ProductQuant pairs = new ProductQuant(2, 16, 10);
        Stage step = new UniformStep(0.5f, 0.4f);
        return List.of(
                chain("fp16", "none", new Halves(), PACK),
                chain("flexgen-8", "2303.06865", groups(8), PACK),
                chain("flexgen-4", "2303.06865", groups(4), PACK),
                chain("flexgen-2", "2303.06865", groups(2), PACK),
                chain("kivi-4", "2402.02750", new SplitRaw(0, TAIL), kivi(4), PACK),
                chain("kivi-2", "2402.02750", new SplitRaw(0, TAIL), kivi(2), PACK),
                chain("rtn-4", "none", TokenQuant.uniform(4), PACK),
                chain("decoquant-4", "2405.12591", new BlockPca(16), TokenQuant.uniform(4), PACK),
                chain("decoquant-3", "2405.12591", new BlockPca(16), TokenQuant.uniform(3), PACK),
                chain("per-tensor-4", "none", new PlaneQuant(4), PACK),
                chain(
                        "flattenquant-4",
                        "2402.17985",
                        new FlattenChannels(),
                        new PlaneQuant(4),
                        PACK),
                chain("turboquant-4", "2504.19874", rotate(dim), lloydMax(4, dim), PACK),
                chain("turboquant-3", "2504.19874", rotate(dim), lloydMax(3, dim), PACK),
                chain("cachegen-3", "2310.07240", cacheGen(3), new ChannelRans()),
                chain("cachegen-2", "2310.07240", cacheGen(2), new ChannelRans()),
                chain("cachegen-1", "2310.07240", cacheGen(1), new ChannelRans()),
                chain("cachegen-delta", "2310.07240", anchors, coarse(), new ChannelRans()),
                chain("minicache", "2405.14366", slerp, new Halves(), PACK),
                chain("cla-2", "2405.12981", new ShareLayers(2), new Halves(), PACK),
                chain("mqa", "1911.02150", heads, new Halves(), PACK),
                chain("xkv", "2503.18893", unrope, svd, new Halves(), PACK),
                chain("think-0.4", "2407.21018", new PruneChannels(0.4), new Halves(), PACK),
                chain("product-quant-2", "2210.12316", unrope, pairs, PACK),
                chain("product-quant-2x2", "2506.18879", unrope, new Residual(pairs, pairs), PACK),
                chain("centered-step", "none", unrope, raw(), new CenterChannels(), step, coder()));
    }

    /**
     * Those that say where bits go. What is kept is kept as halves; those that grade are given four
     * bits an element on average.
     *
     * @param window queries that the hint on the attention window is the mean of
     */
    public static List<Method> policies(int window) {
        List<Method> out = new ArrayList<>();
        for (Policy policy : Policies.dropping(window)) {
            out.add(chain(label(policy), policy, HALF, new RateQuant(), PACK));
        }
        out.add(chain("flexgen-values", Policies.topValues(), 0.75, new RateQuant(), PACK));
        Policy values = Policies.topValues();
        Stage mean = new MeanValues();
        out.add(chain("flexgen-values-mean", values, 0.75, mean, new RateQuant(), PACK));
        for (Policy policy : Policies.grading()) {
            out.add(chain(label(policy), policy, 0.25, new RateQuant(), PACK));
        }
        Stage summary = new ResidualSummary(3);
        out.add(chain("h2o-summary", Policies.heavyHitters(), HALF, summary, new Halves(), PACK));
        return List.copyOf(out);
    }

    /** Those that need what calibration left of the model. */
    public static List<Method> calibrated(PcaBasis basis) {
        Stage unrope = new UndoRope();
        Stage pca = new LayerPca(basis);
        Stage fine = new UniformStep(0.5f, 0.4f);
        Stage wide = new UniformStep(1f, 0.8f);
        Policy key = Policies.entitiesForAllHeads();
        Stage drop = new DropTokens();
        return List.of(
                chain("kvtc-0.5", "2511.01815", unrope, raw(), pca, fine, new Deflate()),
                chain("kvtc-0.5-rans", "2511.01815", unrope, raw(), pca, fine, coder()),
                chain("kvtc-1.0-rans", "2511.01815", unrope, raw(), pca, wide, coder()),
                chain("fusion-50", key, HALF, unrope, drop, raw(), pca, fine, coder()),
                chain("fusion-50-wide", key, HALF, unrope, drop, raw(), pca, wide, coder()));
    }

    private static String label(Policy policy) {
        return policy.name().toLowerCase(java.util.Locale.ROOT).replace(' ', '-');
    }

    private static GroupQuant groups(int bits) {
        return new GroupQuant(bits, 64, Axis.TOKEN, Axis.TOKEN);
    }

    private static GroupQuant kivi(int bits) {
        return new GroupQuant(bits, 32, Axis.CHANNEL, Axis.TOKEN);
    }

    private static TokenQuant coarse() {
        return TokenQuant.uniform(4);
    }

    private static SplitRaw raw() {
        return new SplitRaw(SINKS, TAIL);
    }

    private static GaussianRans coder() {
        return new GaussianRans();
    }

    private static RotateHadamard rotate(int dim) {
        return new RotateHadamard(Integer.highestOneBit(dim), 1);
    }

    private static LloydMax lloydMax(int bits, int dim) {
        return new LloydMax(bits, Integer.highestOneBit(dim));
    }

    /** Bins of CacheGen's three levels, layers 0..9, 10..19, further for keys; 0..1 for values. */
    private static TokenQuant cacheGen(int level) {
        return switch (level) {
            case 3 -> new TokenQuant(List.of(32), List.of(32));
            case 2 -> new TokenQuant(bins(10, 32, 16), bins(2, 32, 16));
            default -> new TokenQuant(bins(20, 16, 12), bins(2, 16, 12));
        };
    }

    private static List<Integer> bins(int first, int fine, int coarse) {
        return IntStream.rangeClosed(0, first)
                .map(layer -> layer < first ? fine : coarse)
                .boxed()
                .toList();
    }
}
