package io.kvtier.codec.method.stage;

import io.kvtier.codec.identity.Geometry;
import io.kvtier.codec.method.Method;
import io.kvtier.codec.method.stage.GroupQuant.Axis;
import java.util.List;

/** The survey's codecs as their papers or public code have them: one line a method and rate. */
public final class SurveyMethods {
    private static final int SINKS = 4;
    private static final int TAIL = 32;

    private SurveyMethods() {}

    /** All methods that a cache of this shape allows. */
    public static List<Method> of(Geometry geometry) {
        int dim = geometry.keyDim();
        int half = geometry.storedLayers().size() / 2;
        return List.of(
                method("fp16", "none", new Halves(), new PackBits()),
                method("flexgen-8", "2303.06865", groups(8, 64), new PackBits()),
                method("flexgen-4", "2303.06865", groups(4, 64), new PackBits()),
                method("flexgen-2", "2303.06865", groups(2, 64), new PackBits()),
                method("kivi-4", "2402.02750", raw(), kivi(4), new PackBits()),
                method("kivi-2", "2402.02750", raw(), kivi(2), new PackBits()),
                method("rtn-4", "none", TokenQuant.uniform(4), new PackBits()),
                method("decoquant-4", "2405.12591", pca(), TokenQuant.uniform(4), new PackBits()),
                method("decoquant-3", "2405.12591", pca(), TokenQuant.uniform(3), new PackBits()),
                method("per-tensor-4", "none", new PlaneQuant(4), new PackBits()),
                method("flattenquant-4", "2402.17985", flat(), new PlaneQuant(4), new PackBits()),
                method("turboquant-4", "2504.19874", rotate(dim), max(4, dim), new PackBits()),
                method("turboquant-3", "2504.19874", rotate(dim), max(3, dim), new PackBits()),
                method("cachegen-3", "2310.07240", cacheGen(3), new ChannelRans()),
                method("cachegen-2", "2310.07240", cacheGen(2), new ChannelRans()),
                method("cachegen-1", "2310.07240", cacheGen(1), new ChannelRans()),
                method(
                        "cachegen-delta",
                        "2310.07240",
                        new AnchorDelta(10),
                        TokenQuant.uniform(4),
                        new ChannelRans()),
                method(
                        "minicache",
                        "2405.14366",
                        new SlerpLayers(half, 0.6, 0.05),
                        new Halves(),
                        new PackBits()),
                method("cla-2", "2405.12981", new ShareLayers(2), new Halves(), new PackBits()),
                method(
                        "mqa",
                        "1911.02150",
                        new MergeHeads(Math.max(2, geometry.kvHeads())),
                        new Halves(),
                        new PackBits()),
                method(
                        "xkv",
                        "2503.18893",
                        new UndoRope(),
                        new GroupSvd(4, 96),
                        new Halves(),
                        new PackBits()),
                method(
                        "think-0.4",
                        "2407.21018",
                        new PruneChannels(0.4),
                        new Halves(),
                        new PackBits()),
                method(
                        "product-quant-2",
                        "2210.12316",
                        new UndoRope(),
                        new ProductQuant(2, 16, 10),
                        new PackBits()),
                method(
                        "centered-step",
                        "2511.01815",
                        new UndoRope(),
                        new SplitRaw(SINKS, TAIL),
                        new CenterChannels(),
                        new UniformStep(0.5f, 0.4f),
                        new Deflate()));
    }

    private static Method method(
            String name, String paper, io.kvtier.codec.method.Stage... stages) {
        return new Method(name, paper, List.of(stages));
    }

    private static GroupQuant groups(int bits, int group) {
        return new GroupQuant(bits, group, Axis.TOKEN, Axis.TOKEN);
    }

    private static GroupQuant kivi(int bits) {
        return new GroupQuant(bits, 32, Axis.CHANNEL, Axis.TOKEN);
    }

    private static SplitRaw raw() {
        return new SplitRaw(0, TAIL);
    }

    private static BlockPca pca() {
        return new BlockPca(16);
    }

    private static FlattenChannels flat() {
        return new FlattenChannels();
    }

    private static RotateHadamard rotate(int dim) {
        return new RotateHadamard(Integer.highestOneBit(dim), 1);
    }

    private static LloydMax max(int bits, int dim) {
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
        return java.util.stream.IntStream.rangeClosed(0, first)
                .map(layer -> layer < first ? fine : coarse)
                .boxed()
                .toList();
    }
}
