package io.kvtier.codec.profile;

import static io.kvtier.codec.error.CorruptChunkException.check;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.FrameBytes;
import io.kvtier.codec.identity.Digest;
import io.kvtier.codec.identity.Geometry;
import java.lang.foreign.MemorySegment;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/** Reads a profile's file (docs/format.md section 4), bounded by the file's own length. */
public final class ProfileFile {
    /** Longest file. */
    public static final int BYTES_MAX = 1 << 30;

    private static final int MAGIC = 0x3150564b; // "KVP1", little-endian
    private static final int VERSION = 1;
    private static final int FLAGS = 3;
    private static final int CELLS = 64 * 4;

    private ProfileFile() {}

    /**
     * Reads the file of a profile for {@code geometry}.
     *
     * @throws io.kvtier.codec.error.CorruptChunkException when a byte is not what it should be
     * @throws InvalidRequestException when it is for another model or of a newer version
     */
    public static Profile read(byte[] file, Geometry geometry) {
        Profile profile = read(file);
        profile.checkShape(geometry);
        checkCover(profile, geometry);
        return profile;
    }

    /**
     * What the file of a profile says, for people: the geometry that it was made for, of which it
     * holds a digest alone, need not be known.
     *
     * @throws io.kvtier.codec.error.CorruptChunkException when a byte is not what it should be
     * @throws InvalidRequestException when it is of a newer version
     */
    public static ProfileOutline outline(byte[] file) {
        return ProfileOutline.of(read(file));
    }

    private static Profile read(byte[] file) {
        check(
                file.length >= 8 && file.length <= BYTES_MAX,
                "profile bytes",
                "8..2^30",
                file.length);
        ByteBuffer in = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
        int body = file.length - 4;
        int crc = FrameBytes.crc32c(MemorySegment.ofArray(file).asSlice(0, body));
        check(in.getInt(body) == crc, "profile crc32c", crc, in.getInt(body));
        try {
            Profile profile = read(in.limit(body), Digest.sha256(file));
            check(!in.hasRemaining(), "bytes after the groups", 0, in.remaining());
            return profile;
        } catch (BufferUnderflowException e) {
            throw new io.kvtier.codec.error.CorruptChunkException(
                    "profile bytes", "more", file.length);
        }
    }

    private static Profile read(ByteBuffer in, Digest id) {
        check(in.getInt() == MAGIC, "profile magic", "KVP1", Integer.toHexString(in.getInt(0)));
        int version = u16(in);
        InvalidRequestException.check(version == VERSION, "profile version", version, VERSION);
        int kind = u8(in);
        check(kind >= 1 && kind <= 4, "profile kind", "1..4", kind);
        int flags = u8(in);
        check((flags & ~FLAGS) == 0, "profile flags", "0..3", flags);
        Digest shape = Digest.read(in);
        float step = in.getFloat();
        int rungs = u8(in);
        int tail = u8(in);
        int layerGroups = u16(in);
        int headGroups = u16(in);
        check(layerGroups >= 1 && headGroups >= 1 && headGroups <= 64, "groups", "1..", headGroups);
        Profile.Classes classes = new Profile.Classes(in.get(), in.get(), in.get(), u8(in));
        check(
                classes.min() <= classes.max() && classes.table() < 64,
                "profile classes",
                "a range and a table below 64",
                classes);
        int points = u16(in);
        int levels = u16(in);
        int losses = u16(in);
        check(u16(in) == 0, "reserved profile field", 0, "not 0");
        String provenance = string(in);
        Profile.Kind profileKind = Profile.Kind.values()[kind];
        int frameLayerGroups = profileKind == Profile.Kind.DEEP ? layerGroups + 1 : layerGroups;
        List<Level> levelList = levels(in, levels, frameLayerGroups);
        List<LossPoint> lossList = losses(in, losses);
        float[] centroids = floats(in, CELLS, "centroid");
        List<Profile.CurvePoint> curve = curve(in, points);
        List<ProfileGroup> groups = new ArrayList<>();
        for (int i = 0; i < layerGroups * headGroups; i++) {
            groups.add(group(in));
        }
        Optional<DeepTransform> deep =
                profileKind == Profile.Kind.DEEP
                        ? Optional.of(DeepSection.read(in, groups, headGroups))
                        : Optional.empty();
        return new Profile(
                id,
                shape,
                profileKind,
                (flags & 1) != 0,
                (flags & 2) != 0,
                step,
                rungs,
                tail,
                layerGroups,
                headGroups,
                classes,
                provenance,
                levelList,
                lossList,
                centroids,
                curve,
                groups,
                deep);
    }

    private static List<Level> levels(ByteBuffer in, int count, int layerGroups) {
        List<Level> out = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            String name = string(in);
            int far = u8(in);
            int last = u8(in);
            int tail = u8(in);
            check(far < 4 && last < 4 && tail < 4, "rung of level " + name, "0..3", far);
            int groups = u8(in);
            check(groups == 0 || far > 0, "far rung of level " + name, "1.. to name groups", far);
            float[] cost = new float[5];
            for (int j = 0; j < cost.length; j++) {
                cost[j] = in.getFloat();
            }
            List<Integer> farGroups = ascending(in, groups, layerGroups, "group of level " + name);
            out.add(
                    new Level(
                            name, far, last, tail, farGroups, cost[0], cost[1], cost[2], cost[3],
                            cost[4]));
        }
        return out;
    }

    private static List<Integer> ascending(ByteBuffer in, int count, int end, String what) {
        List<Integer> out = new ArrayList<>();
        int before = -1;
        for (int i = 0; i < count; i++) {
            int value = u16(in);
            check(value > before && value < end, what, before + 1 + ".." + (end - 1), value);
            out.add(value);
            before = value;
        }
        return out;
    }

    private static List<LossPoint> losses(ByteBuffer in, int count) {
        List<LossPoint> out = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            out.add(new LossPoint(in.getFloat(), in.getFloat(), in.getFloat(), in.getFloat()));
        }
        return out;
    }

    private static List<Profile.CurvePoint> curve(ByteBuffer in, int count) {
        List<Profile.CurvePoint> out = new ArrayList<>();
        int before = -1;
        for (int i = 0; i < count; i++) {
            int position = in.getInt();
            float octaves = in.getFloat();
            check(position > before, "position of a curve point", "above " + before, position);
            check(Math.abs(octaves) <= 64, "octaves of a curve point", "-64..64", octaves);
            out.add(new Profile.CurvePoint(position, octaves));
            before = position;
        }
        return out;
    }

    private static ProfileGroup group(ByteBuffer in) {
        int layerCount = u16(in);
        int headCount = u16(in);
        int[] layers = indices(in, layerCount, "layer");
        int[] heads = indices(in, headCount, "head");
        int width = in.getInt();
        int rank = in.getInt();
        int widthMax = in.remaining() / 4;
        check(width >= 1 && width <= widthMax, "width of a group", "1.." + widthMax, width);
        check(rank >= 1 && rank <= width, "rank of a group", "1.." + width, rank);
        long bytes = 4L * width + 9L * rank + 4 + 4L * width * rank;
        check(bytes <= in.remaining(), "bytes of a group", "at most " + in.remaining(), bytes);
        float[] mean = floats(in, width, "mean");
        float[] sigma = floats(in, rank, "sigma");
        int[] index = sigmaIndices(in, sigma);
        float[] probe = floats(in, rank + 1, "probe");
        float[] analysis = halves(in, (long) rank * width, "analysis");
        float[] synthesis = halves(in, (long) rank * width, "synthesis");
        return new ProfileGroup(
                layers,
                heads,
                width,
                rank,
                new ProfileGroup.Statistics(mean, sigma, index, probe, analysis, synthesis));
    }

    /**
     * Each (stored layer, KV head) must be in exactly one group, a row of groups in one set of
     * layers.
     */
    private static void checkCover(Profile profile, Geometry geometry) {
        int headGroups = profile.headGroups();
        List<ProfileGroup> groups = profile.groups();
        boolean[] seen = new boolean[geometry.layers() * geometry.kvHeads()];
        for (int i = 0; i < groups.size(); i++) {
            ProfileGroup group = groups.get(i);
            checkChannels(group, geometry);
            ProfileGroup first = groups.get(i - i % headGroups);
            check(
                    Arrays.equals(group.layers(), first.layers()),
                    "layers of group " + i,
                    Arrays.toString(first.layers()),
                    Arrays.toString(group.layers()));
            check(
                    Arrays.equals(group.heads(), groups.get(i % headGroups).heads()),
                    "heads of group " + i,
                    "those of its head group",
                    Arrays.toString(group.heads()));
            for (int layer : group.layers()) {
                check(geometry.kvSource().get(layer) == layer, "layer", "a stored one", layer);
                for (int head : group.heads()) {
                    int at = layer * geometry.kvHeads() + head;
                    check(!seen[at], "layer " + layer + ", head " + head, "in one group", "in two");
                    seen[at] = true;
                }
            }
        }
        for (int layer : geometry.storedLayers()) {
            for (int head = 0; head < geometry.kvHeads(); head++) {
                boolean covered = seen[layer * geometry.kvHeads() + head];
                check(covered, "layer " + layer + ", head " + head, "in one group", "in none");
            }
        }
    }

    /** Indices ascend, so the last one is the largest. */
    private static void checkChannels(ProfileGroup group, Geometry geometry) {
        int[] layers = group.layers();
        int[] heads = group.heads();
        int layer = layers[layers.length - 1];
        int head = heads[heads.length - 1];
        check(layer < geometry.layers(), "layer", "below " + geometry.layers(), layer);
        check(head < geometry.kvHeads(), "head", "below " + geometry.kvHeads(), head);
        long dims = (long) geometry.keyDim() + geometry.valueDim();
        long channels = dims * layers.length * heads.length;
        check(group.width() == channels, "width of a group", channels, group.width());
    }

    private static int[] indices(ByteBuffer in, int count, String what) {
        check(count >= 1, what + "s of a group", "1 or more", count);
        int[] out = new int[count];
        for (int i = 0; i < count; i++) {
            out[i] = u16(in);
            int above = i == 0 ? -1 : out[i - 1];
            check(out[i] > above, what, "above " + above, out[i]);
        }
        return out;
    }

    /** The table index of each component, whose sigmas are checked. */
    static int[] sigmaIndices(ByteBuffer in, float[] sigma) {
        int[] index = new int[sigma.length];
        for (int c = 0; c < index.length; c++) {
            index[c] = u8(in);
            check(index[c] < 64, "sigmaIndex", "0..63", index[c]);
            check(sigma[c] > 0, "sigma of component " + c, "positive", sigma[c]);
        }
        return index;
    }

    static float[] floats(ByteBuffer in, int count, String what) {
        check(4L * count <= in.remaining(), "bytes of " + what, 4L * count, in.remaining());
        float[] out = new float[count];
        for (int i = 0; i < count; i++) {
            out[i] = in.getFloat();
            check(Math.abs(out[i]) <= 1e30f, what + " " + i, "finite", out[i]);
        }
        return out;
    }

    static float[] halves(ByteBuffer in, long count, String what) {
        check(2 * count <= in.remaining(), "bytes of " + what, in.remaining(), 2 * count);
        float[] out = new float[(int) count];
        for (int i = 0; i < count; i++) {
            out[i] = Float.float16ToFloat(in.getShort());
            check(Math.abs(out[i]) <= 65504, what + " " + i, "finite", out[i]);
        }
        return out;
    }

    private static String string(ByteBuffer in) {
        int length = u16(in);
        check(length <= in.remaining(), "string bytes", "at most " + in.remaining(), length);
        byte[] bytes = new byte[length];
        in.get(bytes);
        return new String(bytes, StandardCharsets.UTF_8);
    }

    static int u8(ByteBuffer in) {
        return Byte.toUnsignedInt(in.get());
    }

    static int u16(ByteBuffer in) {
        return Short.toUnsignedInt(in.getShort());
    }
}
