package io.kvtier.node.frames;

import io.kvtier.codec.error.InvalidRequestException;
import io.kvtier.codec.frame.Part;
import io.kvtier.codec.plan.Grade;
import io.kvtier.codec.profile.Level;
import java.util.List;

/**
 * What a request at a named level asks of a context's chunks, by their position alone.
 *
 * @param level its name
 * @param far of chunks that do not end the request
 * @param last of the chunk that ends it
 */
public record LevelRequest(String level, ChunkRequest far, ChunkRequest last) {
    /** Rungs of the levels that calibration names, for profiles that name none. */
    private static final List<Level> USUAL =
            List.of(
                    unmeasured("best", 1, 1, 2),
                    unmeasured("recent", 0, 1, 2),
                    unmeasured("near", 0, 1, 1),
                    unmeasured("tail", 0, 0, 2),
                    unmeasured("flat", 0, 0, 0));

    /**
     * The request at one of a profile's levels; the usual ones when it has none.
     *
     * @throws InvalidRequestException when there is no such level, naming those that there are
     */
    public static LevelRequest of(List<Level> ofProfile, String name) {
        List<Level> levels = ofProfile.isEmpty() ? USUAL : ofProfile;
        for (Level level : levels) {
            if (level.name().equals(name)) {
                return new LevelRequest(
                        name,
                        new ChunkRequest(
                                new Grade(level.farRung(), level.farRung()),
                                level.farGroups(),
                                List.of()),
                        ChunkRequest.of(new Grade(level.lastRung(), level.tailRung())));
            }
        }
        List<String> names = levels.stream().map(Level::name).toList();
        throw new InvalidRequestException(
                "level is '" + name + "', expected one of the profile's " + names);
    }

    /** Everything that is stored. */
    public static LevelRequest everything() {
        ChunkRequest all = ChunkRequest.of(new Grade(Part.RUNGS_MAX - 1, Part.RUNGS_MAX - 1));
        return new LevelRequest("everything", all, all);
    }

    /** The same for a reader to whom the last chunk is like any other. */
    public LevelRequest withoutRecency() {
        return new LevelRequest(level, far, far);
    }

    /** What is asked of chunk {@code index} of {@code count}. */
    public ChunkRequest chunk(int index, int count) {
        return index == count - 1 ? last : far;
    }

    private static Level unmeasured(String name, int far, int last, int tail) {
        float unknown = Float.NaN;
        return new Level(
                name, far, last, tail, List.of(), unknown, unknown, unknown, unknown, unknown);
    }
}
