package io.kvtier.codec.profile;

import static io.kvtier.codec.error.CorruptChunkException.check;

import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/** Reads what a deep profile's file holds behind its groups, bounded by the file's length. */
final class DeepSection {
    private static final int RANK_MAX = 65_535;
    private static final int LAGS_MAX = 8;

    private DeepSection() {}

    static DeepTransform read(ByteBuffer in, List<ProfileGroup> groups, int headGroups) {
        check(headGroups == 1, "head groups of a deep profile", 1, headGroups);
        int least = groups.stream().mapToInt(ProfileGroup::rank).min().orElse(0);
        int leading = in.getInt();
        check(leading >= 1 && leading <= least, "leading components", "1.." + least, leading);
        int width = Math.multiplyExact(leading, groups.size());
        int rank = in.getInt();
        int most = Math.min(width, RANK_MAX);
        check(rank >= 1 && rank <= most, "rank of the deep transform", "1.." + most, rank);
        float[] sigma = ProfileFile.floats(in, rank, "sigma");
        int[] index = ProfileFile.sigmaIndices(in, sigma);
        float[] matrix = ProfileFile.halves(in, (long) rank * width, "deep transform");
        ProfileGroup shared =
                new ProfileGroup(
                        new int[0],
                        new int[0],
                        width,
                        rank,
                        new ProfileGroup.Statistics(
                                new float[width], sigma, index, new float[0], matrix, matrix));
        return new DeepTransform(leading, shared, prediction(in, width));
    }

    private static Optional<TokenPrediction> prediction(ByteBuffer in, int width) {
        int vocabulary = in.getInt();
        int features = ProfileFile.u16(in);
        int lags = ProfileFile.u8(in);
        int reserved = ProfileFile.u8(in);
        check(reserved == 0, "reserved field of the token prediction", 0, reserved);
        if (vocabulary == 0) {
            check(features == 0 && lags == 0, "features without a vocabulary", 0, features);
            return Optional.empty();
        }
        check(vocabulary > 0, "vocabulary", "0..2^31-1", vocabulary);
        check(features >= 1, "features of a token", "1 or more", features);
        check(lags >= 1 && lags <= LAGS_MAX, "lags", "1.." + LAGS_MAX, lags);
        float[] scale = ProfileFile.floats(in, features, "feature scale");
        long bytes = (long) vocabulary * features;
        check(bytes <= in.remaining(), "bytes of the token table", in.remaining(), bytes);
        byte[] table = new byte[(int) bytes];
        in.get(table);
        float[] matrix = ProfileFile.halves(in, (long) width * lags * features, "token prediction");
        return Optional.of(new TokenPrediction(lags, scale, table, matrix));
    }
}
