package io.kvtier.codec.profile;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.entropy.GaussianTables;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * The profile of every model that has none: constants and the reasons for them in docs/codec.md.
 */
public final class DataFree {
    private static final String NAME = "kvtier-data-free-1";
    private static final float STEP = 0.625f;
    private static final int RUNGS = 3;
    private static final int TAIL_TOKENS = 32;

    private DataFree() {}

    /** The id for a geometry, without building the profile. */
    public static Digest id(Geometry geometry) {
        return Digest.sha256(
                NAME.getBytes(StandardCharsets.US_ASCII), geometry.shapeDigest().toBytes());
    }

    /** The profile for a geometry of K and V tensors. */
    public static Profile of(Geometry geometry) {
        check(
                geometry.kind() == Geometry.Kind.ATTENTION
                        || geometry.kind() == Geometry.Kind.LATENT,
                "geometry kind",
                geometry.kind(),
                "K and V tensors");
        List<Integer> stored = geometry.storedLayers();
        int[] heads = IntStream.range(0, geometry.kvHeads()).toArray();
        List<ProfileGroup> groups = new ArrayList<>(stored.size());
        for (int layer : stored) {
            int width = heads.length * (geometry.keyDim() + geometry.valueDim());
            groups.add(
                    new ProfileGroup(
                            new int[] {layer},
                            heads,
                            width,
                            width,
                            ProfileGroup.Statistics.IN_FRAME));
        }
        return new Profile(
                id(geometry),
                geometry.shapeDigest(),
                Profile.Kind.DATA_FREE,
                false,
                true,
                STEP,
                RUNGS,
                TAIL_TOKENS,
                stored.size(),
                1,
                Profile.Classes.NONE,
                NAME,
                List.of(),
                List.of(),
                gaussianCentroids(),
                List.of(),
                groups,
                Optional.empty());
    }

    /** Weight of the scale of a stored layer's values against that of keys, which is 1. */
    public static double valueWeight(int storedLayer, int storedLayers) {
        return storedLayers == 1 ? 1 : 0.25 + 1.25 * storedLayer / (storedLayers - 1);
    }

    private static float[] gaussianCentroids() {
        float[] out = new float[GaussianTables.TABLES * GaussianTables.CONTEXTS];
        for (int i = 0; i < out.length; i++) {
            int q = i % GaussianTables.CONTEXTS;
            out[i] = GaussianTables.standard().centroid(i / GaussianTables.CONTEXTS, q);
        }
        return out;
    }
}
