package io.kvtier.codec.profile;

import static io.kvtier.codec.error.InvalidRequestException.check;

import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import java.util.List;
import java.util.Optional;

/**
 * Everything static that the codec needs for one model; immutable, shared by threads.
 *
 * @param id SHA-256 of the file, or the fixed id of the data-free profile
 * @param shape digest of the geometry it was made for
 * @param classRows whether each token has a class
 * @param firstTokenRaw whether the first token of a sequence is sent as it is
 * @param step quantizer step of rung 0
 * @param rungs of the tail in a default frame
 * @param tailTokens tokens of a full tail
 * @param classes range and coding of token classes
 * @param provenance model, texts, date, tool
 * @param levels named choices of rungs
 * @param loss bounds by distortion, ascending
 * @param centroids f32[64][4], shift in steps by table and min(|q|, 3); lent
 * @param curve octaves added to the step by position
 * @param groups at layerGroup·headGroups + headGroup
 * @param deep the second transform, of a deep profile only
 */
@SuppressWarnings("ArrayRecordComponent") // 256 floats, read per element; profiles compare by id
public record Profile(
        Digest id,
        Digest shape,
        Kind kind,
        boolean classRows,
        boolean firstTokenRaw,
        float step,
        int rungs,
        int tailTokens,
        int layerGroups,
        int headGroups,
        Classes classes,
        String provenance,
        List<Level> levels,
        List<LossPoint> loss,
        float[] centroids,
        List<CurvePoint> curve,
        List<ProfileGroup> groups,
        Optional<DeepTransform> deep) {
    /** How much of a model one transform spans. */
    public enum Kind {
        /** No transform: statistics of each channel travel in the frame. */
        DATA_FREE,
        /** One layer at a time. */
        LAYER,
        /** Several layers jointly. */
        JOINT,
        /** One KV head over several layers. */
        HEAD,
        /** A second transform over all layers. */
        DEEP
    }

    /**
     * Token classes in half octaves of the step.
     *
     * @param centre what the class row's zero stands for
     * @param table Gaussian table of the class row
     */
    public record Classes(int min, int max, int centre, int table) {
        /** No classes: every token is of class 0. */
        public static final Classes NONE = new Classes(0, 0, 0, 0);
    }

    /** From {@code position} on, the step grows by {@code octaves}. */
    public record CurvePoint(int position, float octaves) {}

    /** Copies the lists and checks counts. */
    public Profile {
        check(step > 0 && Float.isFinite(step), "profile step", step, "positive");
        check(
                deep.isPresent() == (kind == Kind.DEEP),
                "profile kind",
                kind,
                "DEEP with a second transform, else none");
        check(rungs >= 1 && rungs <= 4, "profile rungs", rungs, "1..4");
        check(
                groups.size() == layerGroups * headGroups,
                "profile groups",
                groups.size(),
                layerGroups * headGroups);
        levels = List.copyOf(levels);
        loss = List.copyOf(loss);
        curve = List.copyOf(curve);
        groups = List.copyOf(groups);
    }

    /** Whether each frame carries its own statistics. */
    public boolean statisticsInFrame() {
        return kind == Kind.DATA_FREE;
    }

    /** Layer groups of a frame: the profile's, behind the shared components if it is deep. */
    public int frameLayerGroups() {
        return layerGroups + (deep.isPresent() ? 1 : 0);
    }

    /** The group at a layer group and a head group. */
    public ProfileGroup group(int layerGroup, int headGroup) {
        return groups.get(layerGroup * headGroups + headGroup);
    }

    /** Octaves that the start-of-sequence curve adds at a position. */
    public float octaves(int position) {
        float out = 0;
        for (CurvePoint point : curve) {
            if (point.position > position) {
                break;
            }
            out = point.octaves;
        }
        return out;
    }

    /** Refuses a geometry that the profile was not made for. */
    public void checkShape(Geometry geometry) {
        Digest actual = geometry.shapeDigest();
        check(actual.equals(shape), "geometry's shape digest", actual, "the profile's " + shape);
    }
}
